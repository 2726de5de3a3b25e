/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as data: one table of options, one of commands; parsing and --help are made from
 * them, so they cannot tell different stories. */
#ifndef VD_CLI_OPTIONS_H
#define VD_CLI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "ops/source.h"

enum cli_exit { CLI_DONE = 0, CLI_NEGATIVE = 1, CLI_ERROR = 2 };

enum cli_option_id {
    OPT_OUTPUT_TYPE,
    OPT_LEVEL,
    OPT_TYPE,
    OPT_SIZE,
    OPT_ADAPTER,
    OPT_PARENT,
    OPT_KEEP_GEOMETRY,
    OPT_CHECK,
    OPT_FORCE,
    OPT_KEEP,
    OPT_FLATTEN,
    OPT_UNSAFE,
    OPT_INPUT,
    OPT_PROGRESS,
    OPT_OFFSET,
    OPT_LENGTH,
    OPT_OUTPUT,
    OPT_OVERWRITE,
    OPT_STRICT,
    OPT_REPAIR,
    OPT_SALVAGE,
    OPT_JSON,
    OPT_SOCKET,
    OPT_PORT,
    OPT_BIND,
    OPT_TLS_CERTIFICATES,
    OPT_TLS_PSK,
    OPT_WRITABLE,
    OPT_RUN,
    OPT_PIDFILE,
    OPT_AMOUNT,
    OPT_DEPTH,
    OPT_WRITE,
    OPT_FORMAT,
    OPT_SINGLE_LINK,
    OPT_PARENT_DIR,
    OPT_IGNORE_CID,
    OPT_ALLOW_OUTSIDE,
    OPT_ALLOW_DEVICES,
    OPT_UNBUFFERED,
    OPT_QUIESCE,
    OPT_DESCRIPTION,
    OPT_HOLD,
    OPT_DISK,
    OPT_NFC_PORT,
    OPT_THUMBPRINT,
    OPT_PASSWORD_FILE,
    OPT_PASSWORD_FD,
    OPT_SESSION_FILE,
    OPT_HELP,
    NUM_OPTIONS
};

/* In a set of options. */
#define CLI_BIT(id) (UINT64_C(1) << (id))
_Static_assert(NUM_OPTIONS < 64, "a set of options is a uint64_t with one bit to spare");

#define CLI_MAX_PARENT_DIRS 32
#define CLI_MAX_DISKS       64
#define CLI_MAX_OPERANDS    5

/* createTypes that can be written. */
#define CLI_DISK_TYPES                                                              \
    "monolithicSparse monolithicFlat twoGbMaxExtentSparse twoGbMaxExtentFlat vmfs " \
    "vmfsThin vmfsSparse seSparse"

/* What was asked for; strings belong to argv. */
struct cli_args {
    const struct cli_command *command;
    uint64_t given; /* CLI_BIT per cli_option_id */
    const char *output_type;
    const char *output;
    const char *disk_type;
    const char *adapter;
    const char *parent;
    const char *input;
    const char *socket;
    const char *port;
    const char *bind;
    const char *tls_certificates;
    const char *tls_psk;
    const char *run;
    const char *pid_file;
    const char *description;
    const char *thumbprint;
    const char *password_file;
    const char *session_file;
    int password_fd;
    int nfc_port; /* 0: not given */
    int level;    /* 0: not given */
    uint64_t size_bytes;
    uint64_t offset_bytes;
    uint64_t length_bytes;
    uint64_t amount_bytes;
    unsigned long depth;
    enum vd_source_format format;
    unsigned vmdk_flags;
    const char *parent_dirs[CLI_MAX_PARENT_DIRS + 1]; /* NULL-terminated */
    const char *disks[CLI_MAX_DISKS + 1];             /* likewise */
    const char *operands[CLI_MAX_OPERANDS];
    int num_operands;
};

struct cli_command {
    const char *name;
    const char *operands; /* as the usage line shows them */
    int num_operands;     /* at least */
    int more_operands;    /* that may follow */
    uint64_t options; /* CLI_BIT per cli_option_id; those that open a disk are added for everyone */
    const char *summary;
    const char *description; /* lines for --help, the last without newline */
    enum cli_exit (*run)(const struct cli_args *args);
};

/* In a command's options: it opens no disk, and takes no options for that. */
#define CLI_OPENS_NONE (UINT64_C(1) << 63)
/* What the way to a vCenter or a host takes. */
#define CLI_CONNECTION_OPTIONS                                                         \
    (CLI_BIT(OPT_THUMBPRINT) | CLI_BIT(OPT_PASSWORD_FILE) | CLI_BIT(OPT_PASSWORD_FD) | \
     CLI_BIT(OPT_SESSION_FILE))

/* Ends with an entry without a name. */
extern const struct cli_command cli_commands[];

const struct cli_command *cli_command_find(const char *name); /* NULL when there is none */

static inline bool cli_given(const struct cli_args *args, enum cli_option_id id)
{
    return args->given & CLI_BIT(id);
}

/* argv[0] is the command's name. On failure the sentence says where to find help. */
VD_MUST_CHECK int cli_args_parse(const struct cli_command *command, int argc, char **argv,
                                 struct cli_args *ret, struct vd_error *err);
/* What -O asks for, `none` where it was not given. Any type that can be written, or VD_DISK_RAW. */
VD_MUST_CHECK int cli_output_type(const struct cli_args *args, enum vd_disk_type none,
                                  enum vd_disk_type *ret, struct vd_error *err);
void cli_help_print(const struct cli_command *command, FILE *out);

#endif
