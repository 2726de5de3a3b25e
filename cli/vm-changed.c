/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "terminal.h"
#include "vm.h"

struct areas {
    struct vd_json *json; /* NULL: text */
    uint64_t count;
    uint64_t bytes;
};

static int tell_area(void *data, uint64_t start_bytes, uint64_t length_bytes)
{
    struct areas *areas = data;

    areas->count++;
    areas->bytes += length_bytes;
    if (!areas->json) {
        printf("%16" PRIu64 " %16" PRIu64 "\n", start_bytes, length_bytes);
        return VD_OK;
    }
    vd_json_object(areas->json, NULL);
    vd_json_u64(areas->json, "start", start_bytes);
    vd_json_u64(areas->json, "length", length_bytes);
    vd_json_end(areas->json, '}');
    return VD_OK;
}

struct question {
    const struct vd_machine *machine;
    const struct vd_vsphere_disk *disk;
    const char *since; /* change ID, or "*" */
};

static int ask(const struct question *question, struct areas *areas, struct vd_error *err)
{
    const struct vd_machine *machine = question->machine;
    struct vd_vsphere_changes changes = {
        .vm_moid = machine->moid,
        .disk_key = question->disk->key,
        .snapshot = machine->snapshot[0] ? machine->snapshot : NULL,
        .change_id = question->since,
        .each = tell_area,
        .data = areas,
    };

    return vd_vsphere_changed_areas(machine->session, &changes, err);
}

/* An error after the first area still leaves valid JSON, which then tells the problem. */
static int tell_json(const struct question *question, struct vd_error *err)
{
    const struct vd_vsphere_disk *disk = question->disk;
    struct vd_json json;
    struct areas areas = {.json = &json};
    int r;

    vd_json_init(&json, stdout, false);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "vm", question->machine->vm->name);
    vd_json_string(&json, "disk", disk->label);
    vd_json_u64(&json, "capacity", disk->capacity_bytes);
    vd_json_string(&json, "since", question->since);
    vd_json_string(&json, "changeId", disk->change_id);
    vd_json_array(&json, "areas");
    r = ask(question, &areas, err);
    vd_json_end(&json, ']');
    vd_json_u64(&json, "bytes", areas.bytes);
    if (r < 0)
        vd_json_string(&json, "problem", vd_error_message(err, r));
    vd_json_end(&json, '}');
    if (r < 0)
        VD_DISCARD(vd_json_finish(&json, NULL)); /* the first error is the one told */
    return r < 0 ? r : vd_json_finish(&json, err);
}

/* The disk is the last segment where there are several, as in any disk's URL. */
static int find(const struct cli_args *args, const char *operand, struct vd_machine *machine,
                const struct vd_vsphere_disk **ret, struct vd_error *err)
{
    VD_CLEANUP(vd_url_done) struct vd_url url;
    VD_FREE char *text = NULL;
    const char *path;
    int r;

    *machine = (struct vd_machine){0};
    if (asprintf(&text, "%s%s", vd_url_is(operand) ? "" : VD_URL_SCHEME, operand) < 0)
        return vd_error_set(err, VD_E_NO_MEMORY, "out of memory for a URL");
    r = vd_url_parse(text, VD_URL_DISK, &url, err);
    if (r == VD_OK)
        r = cli_machine_find(args, &url, machine, err);
    return r < 0 ? r : vd_machine_disk(machine->vm, url.disk, ret, &path, err);
}

int cli_vm_changed(const struct cli_args *args, const char *operand, const char *rest,
                   struct vd_error *err)
{
    VD_CLEANUP(vd_machine_done) struct vd_machine machine;
    struct question question = {&machine, NULL, rest ? rest : "*"};
    struct areas areas = {0};
    int r = find(args, operand, &machine, &question.disk, err);

    if (r < 0)
        return r;
    if (cli_given(args, OPT_JSON))
        return tell_json(&question, err);
    r = ask(&question, &areas, err);
    if (r == VD_OK)
        cli_print(stderr, "%" PRIu64 " areas, %" PRIu64 " bytes; the change ID of then is %s\n",
                  areas.count, areas.bytes,
                  question.disk->change_id ? question.disk->change_id : "not known");
    return r;
}
