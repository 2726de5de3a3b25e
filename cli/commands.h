/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_CLI_COMMANDS_H
#define VD_CLI_COMMANDS_H

#include "options.h"

/* One file per command: cmd-<name>.c. Each prints its own error. */
enum cli_exit cmd_info(const struct cli_args *args);
enum cli_exit cmd_map(const struct cli_args *args);
enum cli_exit cmd_convert(const struct cli_args *args);
enum cli_exit cmd_read(const struct cli_args *args);
enum cli_exit cmd_compare(const struct cli_args *args);
enum cli_exit cmd_check(const struct cli_args *args);
enum cli_exit cmd_create(const struct cli_args *args);
enum cli_exit cmd_grow(const struct cli_args *args);
enum cli_exit cmd_shrink(const struct cli_args *args);
enum cli_exit cmd_defrag(const struct cli_args *args);
enum cli_exit cmd_rename(const struct cli_args *args);
enum cli_exit cmd_rm(const struct cli_args *args);
enum cli_exit cmd_attach(const struct cli_args *args);
enum cli_exit cmd_write(const struct cli_args *args);
enum cli_exit cmd_commit(const struct cli_args *args);
enum cli_exit cmd_rebase(const struct cli_args *args);
enum cli_exit cmd_space(const struct cli_args *args);
enum cli_exit cmd_serve(const struct cli_args *args);
enum cli_exit cmd_bench(const struct cli_args *args);
enum cli_exit cmd_meta(const struct cli_args *args);
enum cli_exit cmd_vm(const struct cli_args *args);
enum cli_exit cmd_doctor(const struct cli_args *args);

#endif
