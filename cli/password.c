/* SPDX-License-Identifier: Apache-2.0 */
#include "password.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "interrupt.h"
#include "terminal.h"

static int from_descriptor(int fd, struct vd_secret *ret, struct vd_error *err)
{
    char name[32];

    (void)snprintf(name, sizeof name, "descriptor %d", fd);
    return vd_secret_from_fd(fd, name, cli_interrupt_stop(), ret, err);
}

/* --- at the terminal --- */

static volatile sig_atomic_t prompt_signal;
static struct vd_net_stop prompt_stop;

static void note_signal(int number)
{
    prompt_signal = number;
    vd_net_stop_ask(&prompt_stop);
}

static void put(int fd, const char *text)
{
    ssize_t written = write(fd, text, strlen(text));

    (void)written; /* who does not see the question sees the error */
}

/* Asks once the terminal shows nothing more: what was typed before is dropped, and who answers at
 * once must not be. While it shows nothing, a signal must not end the program: it would stay that
 * way. */
static int ask_silently(int tty, const char *question, struct vd_secret *ret, struct vd_error *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction noting = {.sa_handler = note_signal};
    struct sigaction before[VD_ARRAY_SIZE(signals)];
    struct termios shown, silent;
    int r;

    if (tcgetattr(tty, &shown) < 0)
        return vd_error_set_errno(err, errno, "cannot ask for the password");
    silent = shown;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    prompt_signal = 0;
    vd_net_stop_init(&prompt_stop);
    for (size_t i = 0; i < VD_ARRAY_SIZE(signals); i++)
        (void)sigaction(signals[i], &noting, &before[i]); /* cannot fail for these */
    if (tcsetattr(tty, TCSAFLUSH, &silent) < 0) {
        r = vd_error_set_errno(err, errno, "cannot ask for the password without showing it");
    } else {
        put(tty, question);
        r = vd_secret_from_fd(tty, "the terminal", &prompt_stop, ret, err);
    }
    (void)tcsetattr(tty, TCSAFLUSH, &shown); /* there is nothing better to try */
    for (size_t i = 0; i < VD_ARRAY_SIZE(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    vd_net_stop_done(&prompt_stop);
    if (prompt_signal)
        (void)raise(prompt_signal); /* as if nobody had been in its way */
    return r;
}

static int from_terminal(const char *user, const char *host, struct vd_secret *ret,
                         struct vd_error *err)
{
    VD_CLOSE int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char question[512];
    int r;

    if (tty < 0)
        return vd_error_set(err, VD_E_LOGIN,
                            "no password for '%s' at '%s': there is no terminal to ask at; use "
                            "--password-file, --password-fd or VDISK_PASSWORD",
                            user, host);
    (void)snprintf(question, sizeof question, "Password of %.200s at %.200s: ", user, host);
    r = ask_silently(tty, question, ret, err);
    put(tty, "\n");
    return r;
}

int cli_password_get(const struct cli_args *args, const char *user, const char *host,
                     struct vd_secret *ret, struct vd_error *err)
{
    const char *value = getenv("VDISK_PASSWORD");

    if (cli_given(args, OPT_PASSWORD_FD))
        return from_descriptor(args->password_fd, ret, err);
    if (args->password_file)
        return vd_secret_from_file(args->password_file, &cli_log, cli_interrupt_stop(), ret, err);
    if (value)
        return vd_secret_from_value("VDISK_PASSWORD", value, ret, err);
    return from_terminal(user, host, ret, err);
}

void cli_password_wipe_environment(void)
{
    char *value = getenv("VDISK_PASSWORD");

    if (value)
        explicit_bzero(value, strlen(value));
}
