/* SPDX-License-Identifier: Apache-2.0 */
/* The examination of `vdisk doctor`: one result per check, told as it is known. */
#ifndef VD_CLI_DOCTOR_H
#define VD_CLI_DOCTOR_H

#include "connection.h"

enum doctor_outcome { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_FAILED, DOCTOR_SKIPPED };

#define DOCTOR_MAX_CHECKS 32 /* there are fewer; a check is asserted to fit */

struct doctor_check {
    const char *name;
    enum doctor_outcome outcome;
    char *found;  /* malloc'd; NULL when memory ran out */
    char *advice; /* NULL: none needed */
};

struct doctor {
    const struct cli_args *args;
    struct vd_url url; /* VD_URL_HOST */
    bool json;
    struct doctor_check checks[DOCTOR_MAX_CHECKS];
    size_t count;
    struct vd_vsphere *session; /* NULL: no login */
    struct vd_machine machine;  /* vm NULL: none to look at */
};

/* doctor-report.c. `advice` NULL: none. */
void doctor_tell(struct doctor *doctor, enum doctor_outcome outcome, const char *name,
                 const char *advice, const char *fmt, ...) VD_PRINTF(5, 6);
/* A failure with the error's sentence, and what to do about errors of this kind. */
void doctor_fail(struct doctor *doctor, const char *name, const struct vd_error *err, int code);
bool doctor_has_failed(const struct doctor *doctor);
VD_MUST_CHECK int doctor_report_json(const struct doctor *doctor, struct vd_error *err);
void doctor_report_done(struct doctor *doctor);

/* doctor-network.c. True: it makes sense to go on. */
bool doctor_check_name(struct doctor *doctor, const char *check, const char *host);
bool doctor_check_server(struct doctor *doctor);
/* doctor-server.c */
void doctor_check_login(struct doctor *doctor);
void doctor_check_privileges(struct doctor *doctor);
void doctor_check_tracking(struct doctor *doctor);
/* doctor-nfc.c */
void doctor_check_nfc(struct doctor *doctor);

#endif
