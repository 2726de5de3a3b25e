/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_id {
    DATASTORE = 256,
    VM,
    ESXI,
    PROFILE,
    PORT,
    NFC_PORT,
    NFC_VERSION,
    USER,
    PASSWORD,
    WORKLOAD,
    SEED,
    FAULT,
    TICKET,
    NO_SOAP,
    POWERED_OFF,
    HOST,
    VERBOSE,
    HELP,
    VERSION,
};

static const struct option known[] = {
    {"datastore", required_argument, NULL, DATASTORE},
    {"vm", required_argument, NULL, VM},
    {"esxi", no_argument, NULL, ESXI},
    {"profile", required_argument, NULL, PROFILE},
    {"port", required_argument, NULL, PORT},
    {"nfc-port", required_argument, NULL, NFC_PORT},
    {"nfc-version", required_argument, NULL, NFC_VERSION},
    {"user", required_argument, NULL, USER},
    {"password", required_argument, NULL, PASSWORD},
    {"workload", optional_argument, NULL, WORKLOAD},
    {"seed", required_argument, NULL, SEED},
    {"fault", required_argument, NULL, FAULT},
    {"ticket", required_argument, NULL, TICKET},
    {"no-soap", no_argument, NULL, NO_SOAP},
    {"powered-off", no_argument, NULL, POWERED_OFF},
    {"listen", required_argument, NULL, HOST},
    {"verbose", no_argument, NULL, VERBOSE},
    {"help", no_argument, NULL, HELP},
    {"version", no_argument, NULL, VERSION},
    {NULL, 0, NULL, 0},
};

void sim_options_help(void)
{
    (void)fputs(
        "Usage: vsphere-sim --datastore NAME=DIR... --vm NAME=[DATASTORE] "
        "FOLDER/DISK.vmdk[,...]...\n"
        "\n"
        "Stands up a vCenter, or an ESXi host, on loopback: SOAP, and NFC for the disks.\n"
        "Prints one JSON line when it is ready, and runs until standard input closes.\n"
        "\n"
        "  --datastore NAME=DIR   a folder with VMDKs\n"
        "  --vm NAME=DISK[,...]   a machine and its disks\n"
        "  --powered-off          the machines are off\n"
        "  --esxi                 an ESXi host, without a vCenter\n"
        "  --profile 8|7|6        which release of it (8)\n"
        "  --nfc-version N        11, 7, 2 or 0 (what the release has)\n"
        "  --listen ADDRESS       where to listen (127.0.0.1)\n"
        "  --port N               of SOAP (any free one)\n"
        "  --nfc-port N           of NFC (any free one)\n"
        "  --user NAME            who may log in (administrator@vsphere.local)\n"
        "  --password TEXT        and how (made up, and told)\n"
        "  --workload[=N]         running machines write N times a second (100)\n"
        "  --seed N               what they write (1)\n"
        "  --no-soap              NFC alone\n"
        "  --ticket PATH=ID       a ticket for a file, '*' for everything, good for one use\n"
        "  --fault NAME[=VALUE]   do something wrong, from the list below\n"
        "  --verbose              say what happens\n"
        "  --help, --version\n"
        "\n"
        "Faults, also to be changed by a line {\"fault\": NAME, \"value\": VALUE} on standard "
        "input:\n",
        stdout);
    sim_faults_print(stdout);
}

static int number(const char *name, const char *text, uint64_t most, uint64_t *ret,
                  struct vd_error *err)
{
    char *end = NULL;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!*text || *end || errno != 0 || *text == '-' || value > most)
        return vd_error_set(err, VD_E_INVALID_ARG, "%s is '%s', expected a number up to %ju", name,
                            text, (uintmax_t)most);
    *ret = value;
    return VD_OK;
}

static int profile(const char *text, struct sim *sim, struct vd_error *err)
{
    if (strlen(text) != 1 || !strchr("678", text[0]))
        return vd_error_set(err, VD_E_INVALID_ARG, "--profile is '%s', expected 8, 7 or 6", text);
    sim->profile = text[0] - '0';
    return VD_OK;
}

static int nfc_version(const char *text, struct sim_options *options, struct vd_error *err)
{
    static const char *const versions[] = {"11", "7", "2", "0"};
    static const int values[] = {11, 7, 2, 0};

    for (size_t i = 0; i < VD_ARRAY_SIZE(values); i++) {
        if (strcmp(versions[i], text) == 0) {
            options->nfc_version = values[i];
            return VD_OK;
        }
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "--nfc-version is '%s', expected 11, 7, 2 or 0",
                        text);
}

static int workload(const char *text, struct sim *sim, struct vd_error *err)
{
    uint64_t per_second = 100;
    int r = text ? number("--workload", text, 100000, &per_second, err) : VD_OK;

    if (r == VD_OK && per_second == 0)
        r = vd_error_set(err, VD_E_INVALID_ARG, "--workload is 0, expected at least 1 a second");
    sim->workload = true;
    sim->workload_per_second = (uint32_t)per_second;
    return r;
}

static int port(const char *name, const char *text, uint16_t *ret, struct vd_error *err)
{
    uint64_t value = 0;
    int r = number(name, text, UINT16_MAX, &value, err);

    *ret = (uint16_t)value;
    return r;
}

static void take_flag(int which, struct sim *sim, struct sim_options *options)
{
    sim->esxi = sim->esxi || which == ESXI;
    sim->verbose = sim->verbose || which == VERBOSE;
    options->no_soap = options->no_soap || which == NO_SOAP;
    options->powered_off = options->powered_off || which == POWERED_OFF;
    options->help = options->help || which == HELP;
    options->version = options->version || which == VERSION;
}

static int take_value(int which, struct sim *sim, struct sim_options *options, struct vd_error *err)
{
    switch (which) {
    case PROFILE:
        return profile(optarg, sim, err);
    case NFC_VERSION:
        return nfc_version(optarg, options, err);
    case WORKLOAD:
        return workload(optarg, sim, err);
    case SEED:
        return number("--seed", optarg, UINT64_MAX, &sim->seed, err);
    case PORT:
        return port("--port", optarg, &options->port, err);
    case NFC_PORT:
        return port("--nfc-port", optarg, &options->nfc_port, err);
    default:
        take_flag(which, sim, options);
        return VD_OK;
    }
}

static void take_text(int which, struct sim_options *options)
{
    if (which == DATASTORE)
        options->datastores[options->num_datastores++] = optarg;
    else if (which == VM)
        options->vms[options->num_vms++] = optarg;
    else if (which == FAULT)
        options->faults[options->num_faults++] = optarg;
    else if (which == TICKET)
        options->tickets[options->num_tickets++] = optarg;
    else if (which == HOST)
        options->host = optarg;
    else if (which == USER)
        options->user = optarg;
    else if (which == PASSWORD)
        options->password = optarg;
}

static const char **list(int argc)
{
    return calloc((size_t)argc + 1, sizeof(const char *));
}

static int check(const struct sim_options *options, struct vd_error *err)
{
    if (options->help || options->version || options->num_datastores > 0)
        return VD_OK;
    return vd_error_set(err, VD_E_INVALID_ARG, "--datastore is missing; see --help");
}

int sim_options_parse(int argc, char **argv, struct sim *sim, struct sim_options *ret,
                      struct vd_error *err)
{
    int which;

    *ret = (struct sim_options){
        .datastores = list(argc),
        .vms = list(argc),
        .faults = list(argc),
        .tickets = list(argc),
        .host = "127.0.0.1",
        .user = "administrator@vsphere.local",
        .nfc_version = -1,
    };
    if (!ret->datastores || !ret->vms || !ret->faults || !ret->tickets)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory");
    opterr = 0;
    while ((which = getopt_long(argc, argv, ":", known, NULL)) != -1) {
        if (which == '?' || which == ':')
            return vd_error_set(err, VD_E_INVALID_ARG, "'%s' %s; see --help", argv[optind - 1],
                                which == '?' ? "is no option" : "needs a value");
        take_text(which, ret);
        int r = take_value(which, sim, ret, err);
        if (r < 0)
            return r;
    }
    if (optind < argc)
        return vd_error_set(err, VD_E_INVALID_ARG, "'%s' is not expected; see --help",
                            argv[optind]);
    return check(ret, err);
}

void sim_options_done(struct sim_options *options)
{
    free(options->datastores);
    free(options->vms);
    free(options->faults);
    free(options->tickets);
}
