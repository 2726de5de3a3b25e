/* SPDX-License-Identifier: Apache-2.0 */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "terminal.h"

/* One byte, 0 at the end. A signal ends it where `stop` is there and says so. */
static int read_byte(int fd, const char *name, const volatile sig_atomic_t *stop, char *ret,
                     struct vd_error *err)
{
    ssize_t n;

    while ((n = read(fd, ret, 1)) < 0) {
        if (errno != EINTR)
            return vd_error_set_errno(err, errno, "cannot read from %s", name);
        if (stop && *stop)
            return vd_error_set(err, VD_E_CANCELLED, "interrupted");
    }
    return (int)n;
}

/* Read byte by byte: what is behind the line belongs to whoever reads next. */
static int read_line(int fd, const char *name, struct cli_secret *ret,
                     const volatile sig_atomic_t *stop, struct vd_error *err)
{
    size_t length = 0;
    char c = '\0';
    int n;

    while ((n = read_byte(fd, name, stop, &c, err)) > 0 && c != '\n') {
        if (c == '\0' || length == sizeof ret->text - 1)
            return vd_error_set(err, VD_E_LOGIN, "%s holds no line of at most %zu characters", name,
                                sizeof ret->text - 1);
        ret->text[length++] = c;
    }
    if (n < 0)
        return n;
    if (n == 0 && length == 0)
        return vd_error_set(err, VD_E_LOGIN, "%s is empty", name);
    if (length > 0 && ret->text[length - 1] == '\r')
        length--;
    ret->text[length] = '\0';
    return VD_OK;
}

int cli_secret_from_file(const char *path, struct cli_secret *ret, struct vd_error *err)
{
    VD_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    VD_FREE char *name = NULL;
    struct stat st;

    if (fd < 0)
        return vd_error_set_errno(err, errno, "cannot open '%s'", path);
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & (S_IRGRP | S_IROTH)))
        vd_log(&cli_log, VD_LOG_WARNING,
               "'%s' holds a secret and can be read by others (mode %03o); 'chmod 600' helps", path,
               (unsigned)(st.st_mode & 0777));
    if (asprintf(&name, "'%s'", path) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    return read_line(fd, name, ret, NULL, err);
}

static int from_descriptor(int fd, struct cli_secret *ret, struct vd_error *err)
{
    char name[32];

    (void)snprintf(name, sizeof name, "descriptor %d", fd);
    return read_line(fd, name, ret, NULL, err);
}

static int from_environment(const char *value, struct cli_secret *ret, struct vd_error *err)
{
    size_t length = strlen(value);

    if (length >= sizeof ret->text)
        return vd_error_set(err, VD_E_LOGIN, "VDISK_PASSWORD has %zu characters, expected fewer",
                            length);
    memcpy(ret->text, value, length + 1);
    return VD_OK;
}

/* --- at the terminal --- */

static volatile sig_atomic_t prompt_signal;

static void note_signal(int number)
{
    prompt_signal = number;
}

static void put(int fd, const char *text)
{
    ssize_t written = write(fd, text, strlen(text));

    (void)written; /* who does not see the question sees the error */
}

/* Asks once the terminal shows nothing more: what was typed before is dropped, and who answers at
 * once must not be. While it shows nothing, a signal must not end the program: it would stay that
 * way. */
static int ask_silently(int tty, const char *question, struct cli_secret *ret, struct vd_error *err)
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
    for (size_t i = 0; i < VD_ARRAY_SIZE(signals); i++)
        (void)sigaction(signals[i], &noting, &before[i]); /* cannot fail for these */
    if (tcsetattr(tty, TCSAFLUSH, &silent) < 0) {
        r = vd_error_set_errno(err, errno, "cannot ask for the password without showing it");
    } else {
        put(tty, question);
        r = read_line(tty, "the terminal", ret, &prompt_signal, err);
    }
    (void)tcsetattr(tty, TCSAFLUSH, &shown); /* there is nothing better to try */
    for (size_t i = 0; i < VD_ARRAY_SIZE(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    if (prompt_signal)
        (void)raise(prompt_signal); /* as if nobody had been in its way */
    return r;
}

static int from_terminal(const char *user, const char *host, struct cli_secret *ret,
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
                     struct cli_secret *ret, struct vd_error *err)
{
    const char *value = getenv("VDISK_PASSWORD");

    if (cli_given(args, OPT_PASSWORD_FD))
        return from_descriptor(args->password_fd, ret, err);
    if (args->password_file)
        return cli_secret_from_file(args->password_file, ret, err);
    if (value)
        return from_environment(value, ret, err);
    return from_terminal(user, host, ret, err);
}

void cli_secret_wipe(struct cli_secret *secret)
{
    explicit_bzero(secret, sizeof *secret);
}

void cli_secret_wipe_environment(void)
{
    char *value = getenv("VDISK_PASSWORD");

    if (value)
        explicit_bzero(value, strlen(value));
}
