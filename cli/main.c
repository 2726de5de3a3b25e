/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "connection.h"
#include "disk-open.h"
#include "machine-disk.h"
#include "terminal.h"

const struct cli_command cli_commands[] = {
    {"info", "DISK", 1, 0, CLI_BIT(OPT_JSON) | CLI_CONNECTION_OPTIONS,
     "tell what a disk is made of",
     "Tells what DISK is: type, capacity, links, extents, files, formats and flags.\n"
     "A missing or broken part is told in its place and the rest is still shown.",
     cmd_info},
    {"map", "DISK", 1, 0, CLI_BIT(OPT_JSON) | CLI_CONNECTION_OPTIONS,
     "list which ranges are data, zero or absent",
     "Lists the ranges of DISK that hold data, are zero, or are held by no link,\n"
     "with the link and the place in the file. Reads tables only, no data.",
     cmd_map},
    {"convert", "SRC DST", 2, 0,
     CLI_BIT(OPT_OUTPUT_TYPE) | CLI_BIT(OPT_SIZE) | CLI_BIT(OPT_ADAPTER) | CLI_BIT(OPT_LEVEL) |
         CLI_BIT(OPT_PROGRESS) | CLI_BIT(OPT_OVERWRITE) | CLI_CONNECTION_OPTIONS,
     "write a disk's content as a new disk",
     "Writes the content of SRC to DST as a raw image, or with -O as a VMDK.\n"
     "What SRC does not hold is not stored. DST appears under its name only when it is\n"
     "complete. SRC may be - or a pipe: a streamOptimized disk, or with -s or -f raw a\n"
     "raw image, of SIZE bytes. DST may be -, a pipe or a block device for raw and\n"
     "streamOptimized.",
     cmd_convert},
    {"read", "DISK", 1, 0,
     CLI_BIT(OPT_OFFSET) | CLI_BIT(OPT_LENGTH) | CLI_BIT(OPT_OUTPUT) | CLI_BIT(OPT_OVERWRITE) |
         CLI_BIT(OPT_PROGRESS) | CLI_CONNECTION_OPTIONS,
     "write a range of a disk's bytes to standard output",
     "Writes bytes of DISK to standard output. N takes K, M, G and T (1024-based).\n"
     "A range that ends past the disk is an error, and nothing is written.",
     cmd_read},
    {"compare", "A B", 2, 0,
     CLI_BIT(OPT_JSON) | CLI_BIT(OPT_STRICT) | CLI_BIT(OPT_PROGRESS) | CLI_CONNECTION_OPTIONS,
     "tell whether two disks have the same content",
     "Exits with 0 when A and B have the same content, with 1 when they differ. What\n"
     "only the larger disk has must read as zeros.",
     cmd_compare},
    {"check", "DISK", 1, 0,
     CLI_BIT(OPT_REPAIR) | CLI_BIT(OPT_SALVAGE) | CLI_BIT(OPT_JSON) | CLI_BIT(OPT_PROGRESS),
     "tell whether a disk is sound, and repair it",
     "Looks at everything DISK and its parents are made of but the data itself. With\n"
     "--repair mends DISK, not its parents, where it can be proved what is right. What\n"
     "is replaced is kept in NAME.vdisk-repair-backup. Exits with 1 when faults remain.",
     cmd_check},
    {"create", "DISK", 1, 0,
     CLI_BIT(OPT_TYPE) | CLI_BIT(OPT_SIZE) | CLI_BIT(OPT_ADAPTER) | CLI_BIT(OPT_PARENT) |
         CLI_BIT(OPT_PROGRESS),
     "make an empty disk, or a child of a disk",
     "Makes the disk DISK of createType TYPE. With --parent it is a child of that disk\n"
     "and has its capacity. Nothing that exists is touched.",
     cmd_create},
    {"grow", "DISK", 1, 0, CLI_BIT(OPT_SIZE) | CLI_BIT(OPT_KEEP_GEOMETRY) | CLI_BIT(OPT_PROGRESS),
     "make a disk larger",
     "Gives DISK the capacity SIZE; what is added reads as zeros. Children, and disks\n"
     "that another one in their folder calls its parent, are refused.",
     cmd_grow},
    {"shrink", "DISK", 1, 0, CLI_BIT(OPT_PROGRESS), "give the space of zeros back",
     "Gives back the grains of a sparse disk that hold only zeros. Capacity and content\n"
     "stay. Children are refused.",
     cmd_shrink},
    {"defrag", "DISK", 1, 0, CLI_BIT(OPT_PROGRESS), "put the grains of a sparse disk in order",
     "Writes the grains of a sparse disk anew, in the order of the disk, without gaps.",
     cmd_defrag},
    {"rename", "SRC DST", 2, 0, 0, "give a disk another name",
     "Renames descriptor and extents of SRC, and the names inside. Children are not\n"
     "changed; those in the folder that name SRC are told.",
     cmd_rename},
    {"rm", "DISK", 1, 0, CLI_BIT(OPT_FORCE), "remove a disk with all its files",
     "Removes the descriptor, the extents and the change tracking file of DISK; parents\n"
     "stay.",
     cmd_rm},
    {"attach", "PARENT CHILD", 2, 0, CLI_BIT(OPT_CHECK), "tell a child where its parent is",
     "Writes into CHILD where its parent is, after proving that PARENT is the one: the\n"
     "content ID it was made for, and its capacity.",
     cmd_attach},
    {"commit", "CHILD", 1, 0, CLI_BIT(OPT_KEEP) | CLI_BIT(OPT_PROGRESS),
     "put a child's content into its parent",
     "Writes what CHILD holds into its parent, joins the children of CHILD to that, and\n"
     "removes CHILD. Refused when the parent has another child in its folder.",
     cmd_commit},
    {"rebase", "CHILD", 1, 0,
     CLI_BIT(OPT_PARENT) | CLI_BIT(OPT_FLATTEN) | CLI_BIT(OPT_UNSAFE) | CLI_BIT(OPT_PROGRESS),
     "put a child on another parent, or on none",
     "Makes CHILD a child of DISK, or with --flatten of no disk. What the new parent has\n"
     "otherwise is copied into CHILD first, so that its content stays; with --unsafe\n"
     "nothing is.",
     cmd_rebase},
    {"space", "DISK", 1, 0, CLI_BIT(OPT_OUTPUT_TYPE) | CLI_BIT(OPT_JSON) | CLI_CONNECTION_OPTIONS,
     "tell how much room a copy of a disk takes",
     "Tells how many bytes of storage a copy of DISK as TYPE takes at most; without -O\n"
     "as the type it has. Reads tables only, no data.",
     cmd_space},
    {"write", "DISK", 1, 0,
     CLI_BIT(OPT_OFFSET) | CLI_BIT(OPT_LENGTH) | CLI_BIT(OPT_INPUT) | CLI_BIT(OPT_PROGRESS) |
         CLI_CONNECTION_OPTIONS,
     "write standard input into a range of a disk",
     "Writes bytes of standard input into DISK, from the first byte named on, and makes\n"
     "them durable.",
     cmd_write},
    {"serve", "DISK", 1, 0,
     CLI_BIT(OPT_SOCKET) | CLI_BIT(OPT_PORT) | CLI_BIT(OPT_BIND) | CLI_BIT(OPT_TLS_CERTIFICATES) |
         CLI_BIT(OPT_TLS_PSK) | CLI_BIT(OPT_WRITABLE) | CLI_BIT(OPT_RUN) | CLI_BIT(OPT_PIDFILE) |
         CLI_CONNECTION_OPTIONS,
     "serve a disk as a network block device",
     "Serves DISK to NBD clients until a signal ends it, through nbdkit. Clients only\n"
     "read, unless --writable is given. Without --socket, TCP clients of this machine\n"
     "can connect.",
     cmd_serve},
    {"bench", "DISK", 1, 0,
     CLI_BIT(OPT_AMOUNT) | CLI_BIT(OPT_DEPTH) | CLI_BIT(OPT_WRITE) | CLI_BIT(OPT_JSON) |
         CLI_BIT(OPT_PROGRESS) | CLI_CONNECTION_OPTIONS,
     "tell how fast a disk is",
     "Reads DISK in order and at random, one block at a time and many, and tells how\n"
     "fast that was. With --write also writes blocks that DISK stores, with what they\n"
     "hold.",
     cmd_bench},
    {"meta", "list|get|set DISK [KEY [VALUE]]", 2, 2, CLI_BIT(OPT_JSON) | CLI_CONNECTION_OPTIONS,
     "read and change the disk database",
     "Lists the entries of the disk database of DISK, shows the one called KEY (of a\n"
     "parent where DISK has none), or sets it to VALUE.",
     cmd_meta},
    {"vm", "list|show|disks|snapshot|tracking|changed|export|file ...", 2, 3,
     CLI_BIT(OPT_JSON) | CLI_BIT(OPT_PROGRESS) | CLI_BIT(OPT_QUIESCE) | CLI_BIT(OPT_DESCRIPTION) |
         CLI_BIT(OPT_HOLD) | CLI_BIT(OPT_DISK) | CLI_BIT(OPT_OVERWRITE) | CLI_CONNECTION_OPTIONS |
         CLI_OPENS_NONE,
     "look at virtual machines, make and remove their snapshots, export them",
     "list HOST                           the virtual machines of a vCenter or a host\n"
     "show HOST/VM                        what one is\n"
     "disks HOST/VM[?snapshot=S]          its disks, as they are or were\n"
     "snapshot list HOST/VM               its snapshots\n"
     "snapshot create HOST/VM NAME        makes one, and tells its moref\n"
     "snapshot remove HOST/VM NAME        removes the one of that name or moref\n"
     "snapshot consolidate HOST/VM        folds disks that removed snapshots left behind\n"
     "tracking HOST/VM on|off             switches change tracking\n"
     "changed HOST/VM[/DISK][?snapshot=S] [ID]\n"
     "                                    what changed since the change ID; without, what is\n"
     "                                    allocated\n"
     "export HOST/VM[?snapshot=S] FOLDER  its disks, as streamOptimized VMDKs\n"
     "file get HOST PATH FILE             a file of a datastore, '[DATASTORE] FOLDER/NAME'\n"
     "file put HOST FILE PATH             makes or replaces one\n"
     "HOST is [vsphere://][USER@]NAME[:PORT], as vdisk-url(7) tells.",
     cmd_vm},
    {"doctor", "HOST[/VM]", 1, 0,
     CLI_BIT(OPT_JSON) | CLI_BIT(OPT_NFC_PORT) | CLI_CONNECTION_OPTIONS | CLI_OPENS_NONE,
     "tell whether a vCenter or host can be worked with, and if not, why",
     "Checks name, ports, certificates, login, privileges, change tracking, versions and\n"
     "the way to the disks. Each check is one line, that tells what to do where it failed.\n"
     "Exits with 1 when one did.",
     cmd_doctor},
    {0},
};

static void print_usage(FILE *out)
{
    fputs("usage: vdisk COMMAND [OPTION]... OPERAND...\n\n"
          "Reads, makes and changes virtual disks: VMDK of every kind, raw images, and the\n"
          "disks of virtual machines (vsphere://..., see vdisk-url(7)).\n\ncommands:\n",
          out);
    for (const struct cli_command *c = cli_commands; c->name; c++)
        fprintf(out, "  %-10s %s\n", c->name, c->summary);
    fputs("  help       show help, of a command when one is named\n\noptions:\n"
          "  -h, --help                 show this help\n"
          "      --version              show the version\n\n"
          "Exit status: 0 done, 1 a negative answer (compare: different, check, doctor:\n"
          "faults), 2 an error.\n"
          "The manual page vdisk(1) tells more.\n",
          out);
}

static enum cli_exit unknown_command(const char *name)
{
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_error_set(&err, VD_E_INVALID_ARG,
                         name[0] == '-' ? "unknown option %s; 'vdisk --help' lists the options"
                                        : "unknown command '%s'; 'vdisk help' lists the commands",
                         name);

    return cli_fail(&err, r);
}

static enum cli_exit run_help(int argc, char **argv)
{
    const struct cli_command *command;

    if (argc < 2 || strcmp(argv[1], "help") == 0) {
        print_usage(stdout);
        return CLI_DONE;
    }
    command = cli_command_find(argv[1]);
    if (!command)
        return unknown_command(argv[1]);
    cli_help_print(command, stdout);
    return CLI_DONE;
}

static enum cli_exit run_command(int argc, char **argv)
{
    const struct cli_command *command = cli_command_find(argv[0]);
    struct vd_error err = VD_ERROR_INIT;
    struct cli_args args;
    int r;

    if (!command)
        return unknown_command(argv[0]);
    r = cli_args_parse(command, argc, argv, &args, &err);
    if (r < 0)
        return cli_fail(&err, r);
    if (cli_given(&args, OPT_HELP)) {
        cli_help_print(command, stdout);
        return CLI_DONE;
    }
    r = cli_disk_check_operands(&args, &err);
    if (r < 0)
        return cli_fail(&err, r);
    return command->run(&args);
}

static enum cli_exit run(int argc, char **argv)
{
    if (argc < 2) {
        struct vd_error err = VD_ERROR_INIT;
        int r = vd_error_set(&err, VD_E_INVALID_ARG,
                             "no command given; 'vdisk help' lists the commands");

        return cli_fail(&err, r);
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("vdisk " VD_VERSION);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_usage(stdout);
        return CLI_DONE;
    }
    if (strcmp(argv[1], "help") == 0)
        return run_help(argc - 1, argv + 1);
    return run_command(argc - 1, argv + 1);
}

/* A standard descriptor that is closed would be given to the next file opened, and what is printed
 * would go into a disk. So each is occupied, in the mode that makes using it an error. */
static void occupy_standard_descriptors(void)
{
    while (true) {
        int fd = open("/dev/null", O_RDWR);

        if (fd < 0 || fd > STDERR_FILENO) {
            if (fd >= 0)
                (void)close(fd); /* nothing was written to it */
            return;
        }
        (void)close(fd); /* as above; the same number comes again */
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
            return;
    }
}

int main(int argc, char **argv)
{
    struct vd_error err = VD_ERROR_INIT;
    enum cli_exit code;

    occupy_standard_descriptors();
    code = run(argc, argv);
    cli_machine_disks_end();
    cli_connections_end();
    cli_warnings_end(code != CLI_ERROR);

    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    /* A command that noticed has already said so. */
    if (code == CLI_ERROR)
        return code;
    return cli_fail(&err, vd_error_set_errno(&err, errno, "cannot write to standard output"));
}
