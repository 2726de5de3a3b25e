/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings as a configuration file has them: `name = value` lines, values quoted or not, `#`
 * comments. Names are compared without case, the last one of a name applies, and an empty value is
 * none. vixdisklib.conf(5) tells what each one is. Not thread-safe.
 */
#ifndef VD_TRANSPORT_SETTINGS_H
#define VD_TRANSPORT_SETTINGS_H

#include "net/stream.h"
#include "net/tls.h"
#include "transport/transport.h"

enum vd_setting {
    VD_SETTING_TMP_DIRECTORY,
    VD_SETTING_LOG_FILE,
    VD_SETTING_LOG_LEVEL,
    VD_SETTING_ALLOW_OUTSIDE,
    VD_SETTING_BUFFER_UNITS, /* of 64 KiB */
    VD_SETTING_BUFFER_COUNT,
    VD_SETTING_CONNECT_MS,
    VD_SETTING_REQUEST_MS,
    VD_SETTING_READ_MS,
    VD_SETTING_WRITE_MS,
    VD_SETTING_SERVER_MS,
    VD_SETTING_CA_FILE,
    VD_SETTING_LEGACY_TLS,
    VD_SETTING_UNVERIFIED_TLS,
    VD_SETTING_SIMULATOR,
    VD_NUM_SETTINGS
};

/* The lowest VD_SETTING_LOG_LEVEL with which VD_LOG_DEBUG is told. */
#define VD_SETTING_VERBOSE 5u
/* A configuration is a few KiB; one of a MiB is something else. */
#define VD_SETTINGS_MAX_BYTES (1u << 20)

/* Zeros: none. */
struct vd_settings {
    char *texts[VD_NUM_SETTINGS];      /* NULL: not given */
    uint64_t numbers[VD_NUM_SETTINGS]; /* of those that are numbers, and given */
};

/* What is wrong with a line, in one sentence; the setting is as if it were not there. */
typedef void vd_settings_problem_fn(void *data, const char *sentence);

struct vd_settings_reader {
    vd_settings_problem_fn *problem; /* NULL: nobody is told */
    void *data;
    /* Otherwise lines without "=" and names nobody knows are passed over, unless these begin with
     * "vixDiskLib.": the files are those of other products as well. */
    bool every_line;
};

/* Adds those of the text. VD_E_NO_MEMORY. `where` is the head of a sentence: "the settings". */
VD_MUST_CHECK int vd_settings_parse(struct vd_settings *settings, const char *where,
                                    const char *text, size_t length,
                                    const struct vd_settings_reader *reader, struct vd_error *err);
/* Adds those of a file, which is read completely. */
VD_MUST_CHECK int vd_settings_read(struct vd_settings *settings, const char *path,
                                   const struct vd_settings_reader *reader, struct vd_error *err);
/* `ret` holds nothing after a failure: VD_E_NO_MEMORY. */
VD_MUST_CHECK int vd_settings_copy(const struct vd_settings *settings, struct vd_settings *ret,
                                   struct vd_error *err);
void vd_settings_done(struct vd_settings *settings);

/* NULL: not given. */
const char *vd_settings_text(const struct vd_settings *settings, enum vd_setting setting);
uint64_t vd_settings_number(const struct vd_settings *settings, enum vd_setting setting,
                            uint64_t otherwise);

/* How a server is trusted; strings stay those of `settings`. A thumbprint is never overruled. */
void vd_settings_to_trust(const struct vd_settings *settings, struct vd_tls_trust *trust);
/* How long a server is waited for. */
void vd_settings_to_timeouts(const struct vd_settings *settings, struct vd_net_timeouts *timeouts);
/* The settings of the way there. */
void vd_settings_to_request(const struct vd_settings *settings,
                            struct vd_transport_request *request);

#endif
