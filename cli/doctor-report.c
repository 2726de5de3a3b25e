/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "base/json.h"
#include "doctor.h"
#include "interrupt.h"
#include "terminal.h"

static const char *outcome_text(enum doctor_outcome outcome)
{
    switch (outcome) {
    case DOCTOR_OK:
        return "ok";
    case DOCTOR_WARNING:
        return "warning";
    case DOCTOR_FAILED:
        return "failed";
    case DOCTOR_SKIPPED:
        return "skipped";
    }
    return "?";
}

static void print_check(const struct doctor_check *check)
{
    cli_print(stdout, "%-8s %s: %s%s%s\n", outcome_text(check->outcome), check->name,
              check->found ? check->found : "?", check->advice ? "; " : "",
              check->advice ? check->advice : "");
    (void)fflush(stdout); /* told at the end of the command */
}

void doctor_tell(struct doctor *doctor, enum doctor_outcome outcome, const char *name,
                 const char *advice, const char *fmt, ...)
{
    struct doctor_check *check = &doctor->checks[doctor->count];
    va_list args;

    assert(doctor->count < DOCTOR_MAX_CHECKS);
    doctor->count++;
    *check = (struct doctor_check){.name = name, .outcome = outcome};
    va_start(args, fmt);
    if (vasprintf(&check->found, fmt, args) < 0)
        check->found = NULL;
    va_end(args);
    check->advice = advice ? strdup(advice) : NULL;
    if (!doctor->json && !cli_interrupted()) /* what failed then failed because of that */
        print_check(check);
}

static const char *advice_for(int code)
{
    static const struct {
        int code;
        const char *advice;
    } table[] = {
        {VD_E_HOST_UNKNOWN, "check the spelling, the DNS server and /etc/hosts of this machine"},
        {VD_E_UNREACHABLE, "check the address and the routes to it"},
        {VD_E_REFUSED, "check the port, and that the service runs"},
        {VD_E_TIMED_OUT, "check that no firewall between here and there drops this port"},
        {VD_E_CERTIFICATE, "compare the thumbprints above with what the server itself shows, and "
                           "give the right one with --thumbprint, or its authority with ?ca=FILE"},
        {VD_E_TLS, "hosts before 7.0 may need ?legacy-tls=1"},
        {VD_E_NO_PERMISSION, "give the user's role the privilege"},
        {VD_E_LOGIN, "check the user, with its domain (USER@DOMAIN), and the password"},
        {VD_E_VM_NOT_FOUND, "'vdisk vm list' shows the names there are"},
        {VD_E_HTTP_STATUS, "check that this is a vCenter or an ESXi host, and not a proxy"},
        {VD_E_PROTOCOL, "check that this is a vCenter or an ESXi host"},
    };

    for (size_t i = 0; i < VD_ARRAY_SIZE(table); i++) {
        if (vd_error_is(code, table[i].code))
            return table[i].advice;
    }
    return NULL;
}

void doctor_fail(struct doctor *doctor, const char *name, const struct vd_error *err, int code)
{
    doctor_tell(doctor, DOCTOR_FAILED, name, advice_for(code), "%s", vd_error_message(err, code));
}

bool doctor_has_failed(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        if (doctor->checks[i].outcome == DOCTOR_FAILED)
            return true;
    }
    return false;
}

int doctor_report_json(const struct doctor *doctor, struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "host", doctor->url.host);
    vd_json_bool(&json, "ok", !doctor_has_failed(doctor));
    vd_json_array(&json, "checks");
    for (size_t i = 0; i < doctor->count; i++) {
        const struct doctor_check *check = &doctor->checks[i];

        vd_json_object(&json, NULL);
        vd_json_string(&json, "name", check->name);
        vd_json_string(&json, "outcome", outcome_text(check->outcome));
        vd_json_string(&json, "found", check->found);
        vd_json_string(&json, "advice", check->advice);
        vd_json_end(&json, '}');
    }
    vd_json_end(&json, ']');
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

void doctor_report_done(struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->count; i++) {
        free(doctor->checks[i].found);
        free(doctor->checks[i].advice);
    }
    doctor->count = 0;
}
