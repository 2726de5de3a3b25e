/* SPDX-License-Identifier: Apache-2.0 */
#include "operation.h"

#include "interrupt.h"
#include "progress-line.h"
#include "terminal.h"

enum cli_exit cli_operation_run(const struct cli_args *args, cli_operation_fn operation)
{
    struct vd_source_options options = cli_source_options(args);
    struct vd_error err = VD_ERROR_INIT;
    struct cli_progress line;
    int r;

    options.vmdk.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    cli_interrupt_catch();
    cli_progress_init(&line, cli_given(args, OPT_PROGRESS));
    r = operation(args, &options.vmdk, &line.progress, &err);
    cli_progress_done(&line);
    return r < 0 ? cli_fail(&err, r) : CLI_DONE;
}
