/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure COMMAND [ARGUMENT]...: runs a command and prints what it took, in one line of JSON on
 * descriptor 3: seconds, the processor seconds in it, and peak memory. Small on purpose: the peak
 * the kernel reports for a child begins with the memory of the process that started it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define REPORT_FD 3

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time); /* cannot fail for this clock */
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int report(double seconds, int status, const struct rusage *usage)
{
    int exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    int printed = dprintf(REPORT_FD,
                          "{\"seconds\": %.6f, \"cpu_seconds\": %.6f, \"peak_kib\": %ld, "
                          "\"status\": %d}\n",
                          seconds, seconds_of(usage->ru_utime) + seconds_of(usage->ru_stime),
                          usage->ru_maxrss, exit_status);
    return printed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct rusage usage;
    int status;

    if (argc < 2) {
        (void)fprintf(stderr, "measure: give a command\n");
        return EXIT_FAILURE;
    }
    double started = now();
    pid_t child = fork();
    if (child < 0) {
        perror("measure: fork");
        return EXIT_FAILURE;
    }
    if (child == 0) {
        (void)close(REPORT_FD);
        (void)execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (wait4(child, &status, 0, &usage) != child) {
        perror("measure: wait");
        return EXIT_FAILURE;
    }
    return report(now() - started, status, &usage);
}
