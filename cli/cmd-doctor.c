/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "doctor.h"
#include "interrupt.h"
#include "terminal.h"

static void examine(struct doctor *doctor)
{
    bool found = doctor_check_name(doctor, "name", doctor->url.host);

    if (found && doctor_check_server(doctor))
        doctor_check_login(doctor);
    if (doctor->session) {
        doctor_check_privileges(doctor);
        doctor_check_tracking(doctor);
    } else {
        doctor_tell(doctor, DOCTOR_SKIPPED, "privileges", NULL, "not logged in");
        doctor_tell(doctor, DOCTOR_SKIPPED, "change tracking", NULL, "not logged in");
    }
    if (found)
        doctor_check_nfc(doctor);
}

static void doctor_done(struct doctor *doctor)
{
    vd_machine_done(&doctor->machine);
    vd_url_done(&doctor->url);
    doctor_report_done(doctor);
}

enum cli_exit cmd_doctor(const struct cli_args *args)
{
    VD_CLEANUP(doctor_done)
    struct doctor doctor = {
        .args = args,
        .json = cli_given(args, OPT_JSON),
    };
    struct vd_error err = VD_ERROR_INIT;
    int r = vd_url_parse(args->operands[0], VD_URL_HOST, &doctor.url, &err);

    if (r < 0)
        return cli_fail(&err, r);
    cli_interrupt_catch();
    examine(&doctor);
    if (cli_interrupted())
        r = vd_error_set(&err, VD_E_CANCELLED, "'%s' was not looked at to the end",
                         doctor.url.host);
    else if (doctor.json)
        r = doctor_report_json(&doctor, &err);
    if (r < 0)
        return cli_fail(&err, r);
    return doctor_has_failed(&doctor) ? CLI_NEGATIVE : CLI_DONE;
}
