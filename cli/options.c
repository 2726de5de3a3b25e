/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "base/size-text.h"
#include "ops/bench.h"
#include "vmdk/descriptor.h"

struct option_row {
    char short_name; /* 0 where there is none */
    const char *long_name;
    const char *argument; /* NULL where it takes none */
    const char *help;
};

static const struct option_row rows[NUM_OPTIONS] = {
    [OPT_OUTPUT_TYPE] = {'O', "output-type", "TYPE", "raw or a createType"},
    [OPT_LEVEL] = {0, "level", "N", "compression level 1 to 12 of streamOptimized"},
    [OPT_TYPE] = {'t', "type", "TYPE", "createType of the new disk"},
    [OPT_SIZE] = {'s', "size", "SIZE", "capacity: bytes, or with K, M, G or T"},
    [OPT_ADAPTER] = {'a', "adapter", "ADAPTER", "ide, buslogic, lsilogic (default), pvscsi, ..."},
    [OPT_PARENT] = {0, "parent", "DISK", "make a child of DISK"},
    [OPT_FLATTEN] = {0, "flatten", NULL, "make it independent of any parent"},
    [OPT_UNSAFE] = {0, "unsafe", NULL, "copy nothing: the new parent is known to read the same"},
    [OPT_KEEP_GEOMETRY] = {0, "keep-geometry", NULL, "leave cylinders, heads and sectors alone"},
    [OPT_CHECK] = {0, "check", NULL, "only tell whether it could be done"},
    [OPT_KEEP] = {0, "keep", NULL, "do not remove the child afterwards"},
    [OPT_INPUT] = {'i', "input", "FILE", "read FILE instead of standard input"},
    [OPT_FORCE] = {0, "force", NULL, "also when it is the parent of another disk"},
    [OPT_PROGRESS] = {'p', "progress", NULL, "show progress, also where it is no terminal"},
    [OPT_OFFSET] = {0, "offset", "N", "first byte (default 0)"},
    [OPT_LENGTH] = {0, "length", "N", "how many bytes (default: up to the end)"},
    [OPT_OUTPUT] = {'o', "output", "FILE", "write to FILE instead of standard output"},
    [OPT_OVERWRITE] = {0, "overwrite", NULL, "replace a target that exists"},
    [OPT_STRICT] = {0, "strict", NULL, "disks of different capacity differ"},
    [OPT_REPAIR] = {0, "repair", NULL, "repair what can be proved, keeping a backup"},
    [OPT_SALVAGE] = {0, "salvage", NULL, "give up what is lost, to mend the rest"},
    [OPT_SOCKET] = {'U', "socket", "PATH", "listen on the Unix socket PATH"},
    [OPT_PORT] = {0, "port", "N", "listen on this TCP port (default 10809)"},
    [OPT_BIND] = {0, "bind", "ADDRESS", "listen on this address (default 127.0.0.1)"},
    [OPT_TLS_CERTIFICATES] = {0, "tls-certificates", "DIR", "require TLS, with X.509 files in DIR"},
    [OPT_TLS_PSK] = {0, "tls-psk", "FILE", "require TLS, with the users and keys in FILE"},
    [OPT_WRITABLE] = {0, "writable", NULL, "let clients write"},
    [OPT_RUN] = {0, "run", "COMMAND", "serve while COMMAND runs, which finds it in $uri"},
    [OPT_PIDFILE] = {0, "pidfile", "FILE", "write the server's process ID when it is ready"},
    [OPT_AMOUNT] = {0, "amount", "N", "move at most N bytes in each test (default 1G)"},
    [OPT_DEPTH] = {0, "depth", "N", "move N blocks at once, 1 to 64 (default 32)"},
    [OPT_WRITE] = {0, "write", NULL, "measure writing too; the content stays"},
    [OPT_JSON] = {0, "json", NULL, "print one JSON object"},
    [OPT_FORMAT] = {'f', "format", "FORMAT",
                    "take the disk as raw or vmdk, whatever it looks like"},
    [OPT_SINGLE_LINK] = {0, "single-link", NULL, "open this link alone, without its parents"},
    [OPT_PARENT_DIR] = {0, "parent-dir", "DIR", "look for parents in DIR too; may be repeated"},
    [OPT_IGNORE_CID] = {0, "ignore-cid", NULL, "open a chain although a parent's CID differs"},
    [OPT_ALLOW_OUTSIDE] = {0, "allow-outside", NULL, "allow files outside the disk's folder"},
    [OPT_ALLOW_DEVICES] = {0, "allow-devices", NULL, "allow extents that are block devices"},
    [OPT_UNBUFFERED] = {0, "unbuffered", NULL, "read past the page cache (O_DIRECT)"},
    [OPT_QUIESCE] = {0, "quiesce", NULL, "ask the guest to bring its files to rest first"},
    [OPT_DESCRIPTION] = {0, "description", "TEXT", "what the new snapshot is for"},
    [OPT_HOLD] = {0, "hold", NULL, "remove it when standard input ends, or on a signal"},
    [OPT_DISK] = {0, "disk", "DISK", "only this disk of the machine; may be repeated"},
    [OPT_NFC_PORT] = {0, "nfc-port", "N", "the port disks are read at (default 902)"},
    [OPT_THUMBPRINT] = {0, "thumbprint", "HEX", "SHA-1 or SHA-256 of the certificate to expect"},
    [OPT_PASSWORD_FILE] = {0, "password-file", "FILE", "read the password from FILE"},
    [OPT_PASSWORD_FD] = {0, "password-fd", "N", "read the password from descriptor N"},
    [OPT_SESSION_FILE] = {0, "session-file", "FILE", "use the session whose cookie FILE holds"},
    [OPT_HELP] = {'h', "help", NULL, "show this help"},
};

/* How a disk of this machine is opened. */
#define DISK_OPTIONS                                                                     \
    (CLI_BIT(OPT_FORMAT) | CLI_BIT(OPT_SINGLE_LINK) | CLI_BIT(OPT_PARENT_DIR) |          \
     CLI_BIT(OPT_IGNORE_CID) | CLI_BIT(OPT_ALLOW_OUTSIDE) | CLI_BIT(OPT_ALLOW_DEVICES) | \
     CLI_BIT(OPT_UNBUFFERED))

/* getopt's value of a long option: past every short name. */
#define LONG_VALUE(id) (256 + (id))

static bool takes(const struct cli_command *command, int id)
{
    uint64_t common = CLI_BIT(OPT_HELP) | (command->options & CLI_OPENS_NONE ? 0 : DISK_OPTIONS);

    return (command->options | common) & CLI_BIT(id);
}

const struct cli_command *cli_command_find(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

static int bad_usage(const struct cli_command *command, struct vd_error *err, const char *what,
                     const char *which)
{
    return vd_error_set(err, VD_E_INVALID_ARG, "%s: %s%s; 'vdisk %s --help' tells more",
                        command->name, what, which, command->name);
}

static int format_parse(const char *text, enum vd_source_format *ret, struct vd_error *err)
{
    if (strcmp(text, "raw") == 0)
        *ret = VD_SOURCE_RAW;
    else if (strcmp(text, "vmdk") == 0)
        *ret = VD_SOURCE_VMDK;
    else
        return vd_error_set(err, VD_E_INVALID_ARG, "--format is '%s', expected raw or vmdk", text);
    return VD_OK;
}

struct range {
    unsigned long least;
    unsigned long most;
};

static int number_parse(const char *option, const char *text, struct range range, int *ret,
                        struct vd_error *err)
{
    char *end;
    unsigned long number = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || number < range.least ||
        number > range.most)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s is '%s', expected %lu to %lu", option, text,
                            range.least, range.most);
    *ret = (int)number;
    return VD_OK;
}

static int size_parse(const char *option, const char *text, uint64_t *ret, struct vd_error *err)
{
    int r = vd_size_parse(text, ret, err);

    if (r < 0)
        vd_error_prefix(err, "%s", option);
    return r;
}

static int parent_dir_add(struct cli_args *args, const char *dir, struct vd_error *err)
{
    size_t count = 0;

    while (args->parent_dirs[count])
        count++;
    if (count == CLI_MAX_PARENT_DIRS)
        return vd_error_set(err, VD_E_INVALID_ARG, "--parent-dir is given more than %d times",
                            CLI_MAX_PARENT_DIRS);
    args->parent_dirs[count] = dir;
    return VD_OK;
}

static int disk_add(struct cli_args *args, const char *disk, struct vd_error *err)
{
    size_t count = 0;

    while (args->disks[count])
        count++;
    if (count == CLI_MAX_DISKS)
        return vd_error_set(err, VD_E_INVALID_ARG, "--disk is given more than %d times",
                            CLI_MAX_DISKS);
    args->disks[count] = disk;
    return VD_OK;
}

static int apply_connection(struct cli_args *args, int id, const char *value, struct vd_error *err)
{
    switch (id) {
    case OPT_DESCRIPTION:
        args->description = value;
        return VD_OK;
    case OPT_DISK:
        return disk_add(args, value, err);
    case OPT_THUMBPRINT:
        args->thumbprint = value;
        return VD_OK;
    case OPT_PASSWORD_FILE:
        args->password_file = value;
        return VD_OK;
    case OPT_SESSION_FILE:
        args->session_file = value;
        return VD_OK;
    case OPT_PASSWORD_FD:
        return number_parse("--password-fd", value, (struct range){0, 65535}, &args->password_fd,
                            err);
    case OPT_NFC_PORT:
        return number_parse("--nfc-port", value, (struct range){1, 65535}, &args->nfc_port, err);
    default:
        return VD_OK; /* a flag: `given` says it all */
    }
}

/* A number nbdkit would take for another thing is refused here. */
static int port_parse(const char *text, const char **ret, struct vd_error *err)
{
    int port;
    int r = number_parse("--port", text, (struct range){1, 65535}, &port, err);

    if (r == VD_OK)
        *ret = text;
    return r;
}

static int depth_parse(const char *text, unsigned long *ret, struct vd_error *err)
{
    char *end;
    unsigned long depth = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || depth < 1 || depth > VD_BENCH_MAX_DEPTH)
        return vd_error_set(err, VD_E_INVALID_ARG, "--depth is '%s', expected 1 to %u", text,
                            VD_BENCH_MAX_DEPTH);
    *ret = depth;
    return VD_OK;
}

static int word_parse(const char *option, const char *text, const char **ret, struct vd_error *err)
{
    if (text[0] == '\0')
        return vd_error_set(err, VD_E_INVALID_ARG, "%s is empty", option);
    *ret = text;
    return VD_OK;
}

/* Of serve. */
static int apply_serving(struct cli_args *args, int id, const char *value, struct vd_error *err)
{
    switch (id) {
    case OPT_SOCKET:
        return word_parse("--socket", value, &args->socket, err);
    case OPT_PORT:
        return port_parse(value, &args->port, err);
    case OPT_BIND:
        return word_parse("--bind", value, &args->bind, err);
    case OPT_TLS_CERTIFICATES:
        return word_parse("--tls-certificates", value, &args->tls_certificates, err);
    case OPT_TLS_PSK:
        return word_parse("--tls-psk", value, &args->tls_psk, err);
    case OPT_RUN:
        return word_parse("--run", value, &args->run, err);
    case OPT_PIDFILE:
        return word_parse("--pidfile", value, &args->pid_file, err);
    default:
        return apply_connection(args, id, value, err);
    }
}

static int apply_valued(struct cli_args *args, int id, const char *value, struct vd_error *err)
{
    switch (id) {
    case OPT_OUTPUT_TYPE:
        args->output_type = value;
        return VD_OK;
    case OPT_OUTPUT:
        args->output = value;
        return VD_OK;
    case OPT_LEVEL:
        return number_parse("--level", value, (struct range){1, 12}, &args->level, err);
    case OPT_TYPE:
        args->disk_type = value;
        return VD_OK;
    case OPT_ADAPTER:
        args->adapter = value;
        return VD_OK;
    case OPT_INPUT:
        args->input = value;
        return VD_OK;
    case OPT_PARENT:
        args->parent = value;
        return VD_OK;
    case OPT_SIZE:
        return size_parse("--size", value, &args->size_bytes, err);
    case OPT_OFFSET:
        return size_parse("--offset", value, &args->offset_bytes, err);
    case OPT_LENGTH:
        return size_parse("--length", value, &args->length_bytes, err);
    case OPT_AMOUNT:
        return size_parse("--amount", value, &args->amount_bytes, err);
    case OPT_DEPTH:
        return depth_parse(value, &args->depth, err);
    case OPT_FORMAT:
        return format_parse(value, &args->format, err);
    case OPT_PARENT_DIR:
        return parent_dir_add(args, value, err);
    default:
        return apply_serving(args, id, value, err);
    }
}

static unsigned vmdk_flag_of(int id)
{
    switch (id) {
    case OPT_SINGLE_LINK:
        return VD_VMDK_SINGLE_LINK;
    case OPT_IGNORE_CID:
        return VD_VMDK_IGNORE_CID;
    case OPT_ALLOW_OUTSIDE:
        return VD_VMDK_ALLOW_OUTSIDE;
    case OPT_ALLOW_DEVICES:
        return VD_VMDK_ALLOW_DEVICES;
    case OPT_UNBUFFERED:
        return VD_VMDK_UNBUFFERED;
    default:
        return 0;
    }
}

struct getopt_tables {
    char short_options[2 * NUM_OPTIONS + 2];
    struct option long_options[NUM_OPTIONS + 1];
};

static void tables_fill(const struct cli_command *command, struct getopt_tables *tables)
{
    size_t num_long = 0;
    char *s = tables->short_options;

    memset(tables, 0, sizeof *tables);
    *s++ = ':'; /* a missing argument is told from an unknown option */
    for (int id = 0; id < NUM_OPTIONS; id++) {
        if (!takes(command, id))
            continue;
        tables->long_options[num_long++] =
            (struct option){rows[id].long_name, rows[id].argument ? required_argument : no_argument,
                            NULL, LONG_VALUE(id)};
        if (rows[id].short_name)
            *s++ = rows[id].short_name;
        if (rows[id].short_name && rows[id].argument)
            *s++ = ':';
    }
}

static int id_of(int value)
{
    if (value >= LONG_VALUE(0))
        return value - LONG_VALUE(0);
    for (int id = 0; id < NUM_OPTIONS; id++) {
        if (rows[id].short_name == value)
            return id;
    }
    return -1;
}

/* getopt stands behind the word it did not like, or inside a bundle of short options. */
static int refuse_option(const struct cli_command *command, char **argv, int value,
                         struct vd_error *err)
{
    char short_name[] = {'-', (char)optopt, '\0'};
    bool is_short = optopt > 0 && optopt < LONG_VALUE(0);
    const char *name = is_short ? short_name : argv[optind - 1];

    if (value == ':')
        return bad_usage(command, err, "an argument is missing after ", name);
    if (!is_short && optopt >= LONG_VALUE(0))
        return bad_usage(command, err, "no argument is expected in ", name);
    return bad_usage(command, err, "unknown option ", name);
}

static int take_operands(struct cli_args *args, int argc, char **argv, struct vd_error *err)
{
    int count = argc - optind;
    int expected = args->command->num_operands;

    if (count < expected)
        return bad_usage(args->command, err, "missing operand, expected ", args->command->operands);
    expected += args->command->more_operands;
    if (count > expected)
        return bad_usage(args->command, err, "unexpected operand ", argv[optind + expected]);
    args->num_operands = count;
    for (int i = 0; i < count; i++) {
        args->operands[i] = argv[optind + i];
        if (args->operands[i][0] == '\0')
            return bad_usage(args->command, err, "an operand is empty", "");
    }
    return VD_OK;
}

int cli_args_parse(const struct cli_command *command, int argc, char **argv, struct cli_args *ret,
                   struct vd_error *err)
{
    struct getopt_tables tables;
    struct cli_args args = {.command = command};
    int value;

    tables_fill(command, &tables);
    opterr = 0;
    while ((value = getopt_long(argc, argv, tables.short_options, tables.long_options, NULL)) !=
           -1) {
        int id = id_of(value);
        int r;

        if (value == '?' || value == ':' || id < 0)
            return refuse_option(command, argv, value, err);
        r = apply_valued(&args, id, optarg, err);
        if (r < 0)
            return r;
        args.given |= CLI_BIT(id);
        args.vmdk_flags |= vmdk_flag_of(id);
    }
    if (!cli_given(&args, OPT_HELP)) {
        int r = take_operands(&args, argc, argv, err);

        if (r < 0)
            return r;
    }
    *ret = args;
    return VD_OK;
}

int cli_output_type(const struct cli_args *args, enum vd_disk_type none, enum vd_disk_type *ret,
                    struct vd_error *err)
{
    enum vd_disk_type type = none;

    if (args->output_type)
        type = strcmp(args->output_type, "raw") == 0 ? VD_DISK_RAW
                                                     : vd_disk_type_parse(args->output_type);
    if (args->output_type && (type == VD_DISK_UNKNOWN || type == VD_DISK_DEVICE))
        return vd_error_set(err, VD_E_INVALID_ARG,
                            "%s knows no type '%s'; there are: raw "
                            "streamOptimized " CLI_DISK_TYPES,
                            args->command->name, args->output_type);
    *ret = type;
    return VD_OK;
}

void cli_help_print(const struct cli_command *command, FILE *out)
{
    fprintf(out, "usage: vdisk %s [OPTION]... %s\n\n%s\n\noptions:\n", command->name,
            command->operands, command->description);
    for (int id = 0; id < NUM_OPTIONS; id++) {
        const struct option_row *row = &rows[id];
        char left[40];

        if (!takes(command, id))
            continue;
        (void)snprintf(left, sizeof left, "%c%c%s--%s%s%s", row->short_name ? '-' : ' ',
                       row->short_name ? row->short_name : ' ', row->short_name ? ", " : "  ",
                       row->long_name, row->argument ? " " : "",
                       row->argument ? row->argument : "");
        fprintf(out, "  %-26s %s\n", left, row->help);
    }
    fprintf(out, "\nThe manual page vdisk-%s(1) tells more.\n", command->name);
}
