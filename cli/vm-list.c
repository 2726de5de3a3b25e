/* SPDX-License-Identifier: Apache-2.0 */
#include "terminal.h"
#include "vm.h"

static int print_vm(void *data, const struct vd_vsphere_vm *vm)
{
    const char *state = vm->powered_on ? "on" : "off";

    (void)data; /* standard output is where it goes */
    if (vm->template)
        state = "tmpl";
    if (!vm->connected)
        state = "lost";
    cli_print(stdout, "%-14s %-5s %-9s %s\n", vm->moid, state, vm->change_tracking ? "yes" : "no",
              vm->inventory_path ? vm->inventory_path : vm->name);
    return VD_OK;
}

static int json_vm(void *data, const struct vd_vsphere_vm *vm)
{
    struct vd_json *json = data;

    vd_json_object(json, NULL);
    cli_vm_json_facts(json, vm);
    vd_json_end(json, '}');
    return VD_OK;
}

static int list_json(struct vd_vsphere *session, struct vd_error *err)
{
    struct vd_json json;
    int r;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "host", vd_vsphere_host(session));
    vd_json_string(&json, "apiVersion", vd_vsphere_api_version(session));
    vd_json_bool(&json, "vcenter", vd_vsphere_is_vcenter(session));
    vd_json_array(&json, "vms");
    r = vd_vsphere_vm_list(session, json_vm, &json, err);
    vd_json_end(&json, ']');
    if (r < 0)
        vd_json_string(&json, "problem", vd_error_message(err, r));
    vd_json_end(&json, '}');
    if (r < 0)
        VD_DISCARD(vd_json_finish(&json, NULL)); /* the first error is the one told */
    return r < 0 ? r : vd_json_finish(&json, err);
}

int cli_vm_list(const struct cli_args *args, const char *operand, const char *rest,
                struct vd_error *err)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;
    struct vd_vsphere *session;
    int r = vd_url_parse(operand, VD_URL_HOST, &url, err);

    (void)rest; /* there is none */
    if (r == VD_OK && url.vm)
        r = vd_error_set(err, VD_E_INVALID_ARG, "'vm list' takes a host alone, without '/%s'",
                         url.vm);
    if (r == VD_OK)
        r = cli_connect(args, &url, &session, err);
    if (r < 0)
        return r;
    if (cli_given(args, OPT_JSON))
        return list_json(session, err);
    printf("%-14s %-5s %-9s %s\n", "Moref", "Power", "Tracking", "VM");
    return vd_vsphere_vm_list(session, print_vm, NULL, err);
}
