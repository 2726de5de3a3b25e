/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "child.h"
#include "commands.h"
#include "connection.h"
#include "disk-open.h"
#include "machine-disk.h"
#include "nbdkit.h"
#include "terminal.h"
#include "transport/url.h"

/* nbdkit, its options and the plugin's parameters. */
#define MAX_WORDS (64 + CLI_MAX_PARENT_DIRS)

struct words {
    const char *list[MAX_WORDS + 1]; /* NULL-terminated */
    char *made[MAX_WORDS];           /* those of them that were put together here */
    size_t count;
    size_t num_made;
    bool failed; /* no memory */
};

static void words_done(struct words *words)
{
    for (size_t i = 0; i < words->num_made; i++)
        free(words->made[i]);
}

static void word(struct words *words, const char *text)
{
    if (words->count < MAX_WORDS)
        words->list[words->count++] = text;
    else
        words->failed = true;
}

static void pair(struct words *words, const char *option, const char *value)
{
    word(words, option);
    word(words, value);
}

/* "key=value" */
static void parameter(struct words *words, const char *key, const char *value)
{
    char *text;

    if (words->count == MAX_WORDS || asprintf(&text, "%s=%s", key, value) < 0) {
        words->failed = true;
        return;
    }
    words->made[words->num_made++] = text;
    word(words, text);
}

/* --- what was asked for --- */

static bool is_url(const struct cli_args *args)
{
    return vd_url_is(args->operands[0]);
}

static int bad_options(struct vd_error *err, const char *what)
{
    return vd_error_set(err, VD_E_INVALID_ARG, "serve: %s; 'vdisk serve --help' tells more", what);
}

static int check_options(const struct cli_args *args, struct vd_error *err)
{
    if (args->socket && (args->port || args->bind))
        return bad_options(err, "--socket is given with --port or --bind, expected one way to "
                                "listen");
    if (args->tls_certificates && args->tls_psk)
        return bad_options(err, "--tls-certificates and --tls-psk are both given, expected one");
    return VD_OK;
}

/* nbdkit would tell some of this later and less clearly. */
static int check_files(const struct cli_args *args, struct vd_error *err)
{
    const char *tls = args->tls_psk ? args->tls_psk : args->tls_certificates;
    struct stat st;

    if (args->socket && lstat(args->socket, &st) == 0)
        return vd_error_set(err, VD_E_EXISTS,
                            "cannot listen on the socket '%s': the name is taken; is another "
                            "server running there?",
                            args->socket);
    if (!tls)
        return VD_OK;
    if (stat(tls, &st) < 0)
        return vd_error_set_errno(err, errno, "cannot use '%s' for TLS", tls);
    if (args->tls_certificates && !S_ISDIR(st.st_mode))
        return vd_error_set(err, VD_E_INVALID_ARG, "cannot use '%s' for TLS: it is not a folder",
                            tls);
    return VD_OK;
}

/* What is wrong with the disk is told here, as by every command, and not by another program. */
static int check_disk(const struct cli_args *args, struct vd_error *err)
{
    VD_CLEANUP(vd_disk_free_cleanup) struct vd_disk *disk = NULL;

    if (cli_given(args, OPT_WRITABLE))
        return cli_disk_open_writable(args, args->operands[0], &disk, err);
    return cli_disk_open(args, args->operands[0], &disk, err);
}

/* nbdkit logs in by itself, with the password that was good here, or takes the same session. */
static int hand_on(const struct cli_args *args, int *ret_secret, struct vd_error *err)
{
    VD_CLEANUP(vd_url_done) struct vd_url url = {0};
    int r;

    if (!is_url(args))
        return VD_OK;
    r = vd_url_parse(args->operands[0], VD_URL_DISK, &url, err);
    if (r == VD_OK)
        r = cli_connection_hand_on(&url, ret_secret, err);
    cli_machine_disks_end();
    cli_connections_end();
    return r;
}

static int prepare(const struct cli_args *args, struct cli_nbdkit *nbdkit, int *ret_secret,
                   struct vd_error *err)
{
    int r = check_options(args, err);

    if (r == VD_OK)
        r = check_disk(args, err);
    if (r == VD_OK)
        r = hand_on(args, ret_secret, err);
    if (r == VD_OK)
        r = check_files(args, err);
    if (r == VD_OK)
        r = cli_nbdkit_find(nbdkit, err);
    if (r == VD_OK && !nbdkit->tls && (args->tls_certificates || args->tls_psk))
        r = vd_error_set(err, VD_E_NOT_SUPPORTED,
                         "cannot serve with TLS: the nbdkit installed here was built without it");
    return r;
}

/* --- nbdkit's words --- */

static void listen_words(const struct cli_args *args, struct words *words)
{
    if (args->socket) {
        pair(words, "--unix", args->socket);
    } else if (cli_given(args, OPT_RUN) && !args->port && !args->bind) {
        pair(words, "--unix", "-"); /* a private one, removed afterwards */
    } else {
        pair(words, "--ipaddr", args->bind ? args->bind : "127.0.0.1");
        pair(words, "--port", args->port ? args->port : "10809");
    }
    if (args->tls_certificates || args->tls_psk)
        word(words, "--tls=require");
    if (args->tls_certificates)
        pair(words, "--tls-certificates", args->tls_certificates);
    if (args->tls_psk)
        pair(words, "--tls-psk", args->tls_psk);
}

static void number(struct words *words, const char *key, int value)
{
    char text[16];

    (void)snprintf(text, sizeof text, "%d", value);
    parameter(words, key, text);
}

static void url_words(const struct cli_args *args, int secret, struct words *words)
{
    parameter(words, "url", args->operands[0]);
    if (cli_given(args, OPT_WRITABLE))
        parameter(words, "writable", "true");
    if (args->thumbprint)
        parameter(words, "thumbprint", args->thumbprint);
    number(words, args->session_file ? "session-fd" : "password-fd", secret);
}

static void disk_words(const struct cli_args *args, struct words *words)
{
    static const struct {
        enum cli_option_id id;
        const char *key;
    } flags[] = {
        {OPT_WRITABLE, "writable"},           {OPT_SINGLE_LINK, "single-link"},
        {OPT_IGNORE_CID, "ignore-cid"},       {OPT_ALLOW_OUTSIDE, "allow-outside"},
        {OPT_ALLOW_DEVICES, "allow-devices"}, {OPT_UNBUFFERED, "unbuffered"},
    };

    parameter(words, "file", args->operands[0]);
    for (size_t i = 0; i < VD_ARRAY_SIZE(flags); i++) {
        if (cli_given(args, flags[i].id))
            parameter(words, flags[i].key, "true");
    }
    if (args->format != VD_SOURCE_AUTO)
        parameter(words, "format", args->format == VD_SOURCE_RAW ? "raw" : "vmdk");
    for (size_t i = 0; args->parent_dirs[i]; i++)
        parameter(words, "parent-dir", args->parent_dirs[i]);
}

/* `secret` and `end`: descriptors it inherits. */
static void all_words(const struct cli_args *args, const struct cli_nbdkit *nbdkit, int secret,
                      int end, struct words *words)
{
    pair(words, "nbdkit", "--foreground");
    word(words, "--exit-with-parent");
    if (!cli_given(args, OPT_WRITABLE))
        word(words, "--readonly");
    listen_words(args, words);
    if (args->pid_file)
        pair(words, "--pidfile", args->pid_file);
    if (args->run)
        pair(words, "--run", args->run);
    word(words, nbdkit->plugin);
    if (is_url(args))
        url_words(args, secret, words);
    else
        disk_words(args, words);
    number(words, "end-fd", end);
}

/* --- the server --- */

/* With --run it is the command that succeeds or fails. */
static enum cli_exit outcome(const struct cli_args *args, int status)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = VD_OK;

    if (WIFSIGNALED(status))
        r = vd_error_set(&err, VD_E_FAIL, "nbdkit, which served '%s', was ended by signal %d",
                         args->operands[0], WTERMSIG(status));
    else if (args->run)
        return (enum cli_exit)WEXITSTATUS(status);
    else if (WEXITSTATUS(status) != 0)
        r = vd_error_set(&err, VD_E_FAIL, "nbdkit, which served '%s', failed; it told why",
                         args->operands[0]);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}

static void remove_file(const char *path)
{
    if (path)
        (void)unlink(path); /* what nbdkit never made is not missed */
}

static int end_pipe(int *ret_given, int *ret_kept, struct vd_error *err)
{
    int fds[2];

    if (pipe(fds) < 0)
        return vd_error_set_errno(err, errno, "cannot make a pipe");
    *ret_given = fds[0];
    *ret_kept = fds[1];
    if (fcntl(fds[1], F_SETFD, FD_CLOEXEC) < 0)
        return vd_error_set_errno(err, errno, "cannot make a pipe");
    return VD_OK;
}

static enum cli_exit serve(const struct cli_args *args, const struct cli_nbdkit *nbdkit, int secret)
{
    VD_CLEANUP(words_done) struct words words = {.count = 0};
    VD_CLOSE int kept = -1;  /* closed, by us or by our end, it ends the server */
    VD_CLOSE int given = -1; /* the server's side */
    struct vd_error err = VD_ERROR_INIT;
    int status = 0;
    int r = end_pipe(&given, &kept, &err);

    if (r < 0)
        return cli_fail(&err, r);
    all_words(args, nbdkit, secret, given, &words);
    if (words.failed)
        return cli_fail(&err, vd_error_set(&err, VD_E_NO_MEMORY, "no memory to run nbdkit"));
    (void)umask(S_IRWXG | S_IRWXO); /* who may reach the socket may read the disk */
    r = cli_child_run(words.list, &kept, &status, &err);
    remove_file(args->socket);
    remove_file(args->pid_file);
    return r < 0 ? cli_fail(&err, r) : outcome(args, status);
}

enum cli_exit cmd_serve(const struct cli_args *args)
{
    VD_CLOSE int secret = -1;
    struct vd_error err = VD_ERROR_INIT;
    struct cli_nbdkit nbdkit = {.tls = false};
    int r = prepare(args, &nbdkit, &secret, &err);

    if (r < 0)
        return cli_fail(&err, r);
    cli_warnings_end(true); /* not when the server ends */
    return serve(args, &nbdkit, secret);
}
