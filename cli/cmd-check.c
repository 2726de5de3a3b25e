/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/size-text.h"
#include "commands.h"
#include "interrupt.h"
#include "progress-line.h"
#include "terminal.h"
#include "vmdk/check.h"

/* What was found, kept until all of it is known: text is told by grade. */
struct finding {
    enum vd_finding_grade grade;
    char *id;
    uint32_t link;
    char *file;
    uint64_t offset_bytes;
    char *text;
    bool repairable;
    bool repaired;
};

struct findings {
    struct finding *items;
    size_t count;
    size_t allocated;
    bool out_of_memory;
};

static const char *const grade_names[] = {"info", "leak", "fault"};

static void finding_done(struct finding *finding)
{
    free(finding->id);
    free(finding->file);
    free(finding->text);
}

static void findings_done(struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        finding_done(&findings->items[i]);
    free(findings->items);
}

static bool grow(struct findings *findings)
{
    size_t wanted = findings->allocated == 0 ? 16 : findings->allocated * 2;
    struct finding *grown;

    if (findings->count < findings->allocated)
        return true;
    grown = reallocarray(findings->items, wanted, sizeof *grown);
    if (!grown)
        return false;
    findings->items = grown;
    findings->allocated = wanted;
    return true;
}

static void keep(void *data, const struct vd_finding *found)
{
    struct findings *findings = data;
    struct finding finding = {
        .grade = found->grade,
        .id = strdup(found->id),
        .link = found->link,
        .file = strdup(found->file),
        .offset_bytes = found->offset_bytes,
        .text = strdup(found->text),
        .repairable = found->repairable,
        .repaired = found->repaired,
    };

    if (!finding.id || !finding.file || !finding.text || !grow(findings)) {
        findings->out_of_memory = true;
        finding_done(&finding);
        return;
    }
    findings->items[findings->count++] = finding;
}

static const char *remedy(const struct finding *finding)
{
    if (finding->repaired)
        return " [repaired]";
    return finding->repairable ? " [repairable]" : "";
}

static void print_grade(const struct findings *findings, enum vd_finding_grade grade,
                        const char *title)
{
    bool titled = false;

    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];

        if (finding->grade != grade)
            continue;
        if (!titled)
            printf("%s:\n", title);
        titled = true;
        cli_print(stdout, "  %s: %s%s\n", finding->id, finding->text, remedy(finding));
        if (finding->offset_bytes != UINT64_MAX)
            cli_print(stdout, "    at byte %" PRIu64 " of '%s'\n", finding->offset_bytes,
                      finding->file);
    }
}

static void print_text(const char *path, const struct findings *findings,
                       const struct vd_check_result *result)
{
    char leaked[VD_SIZE_TEXT_BYTES];

    print_grade(findings, VD_FINDING_FAULT, "faults");
    print_grade(findings, VD_FINDING_LEAK, "leaks");
    print_grade(findings, VD_FINDING_INFO, "notes");
    cli_print(stdout, "'%s': %s; ", path, result->clean ? "no faults" : "damaged");
    printf("%" PRIu64 " faults, %" PRIu64 " leaks, %" PRIu64 " notes, %" PRIu64
           " of them repaired; %" PRIu64 " grains in use, %s leaked\n",
           result->faults, result->leaks, result->infos, result->repaired, result->allocated_grains,
           vd_size_to_text(result->leaked_bytes, leaked));
}

static void json_finding(struct vd_json *json, const struct finding *finding)
{
    vd_json_object(json, NULL);
    vd_json_string(json, "grade", grade_names[finding->grade]);
    vd_json_string(json, "id", finding->id);
    vd_json_u64(json, "link", finding->link);
    vd_json_string(json, "file", finding->file);
    if (finding->offset_bytes == UINT64_MAX)
        vd_json_null(json, "offset");
    else
        vd_json_u64(json, "offset", finding->offset_bytes);
    vd_json_string(json, "text", finding->text);
    vd_json_bool(json, "repairable", finding->repairable);
    vd_json_bool(json, "repaired", finding->repaired);
    vd_json_end(json, '}');
}

static int print_json(const char *path, const struct findings *findings,
                      const struct vd_check_result *result, struct vd_error *err)
{
    struct vd_json json;

    vd_json_init(&json, stdout, true);
    vd_json_object(&json, NULL);
    vd_json_string(&json, "path", path);
    vd_json_bool(&json, "clean", result->clean);
    vd_json_u64(&json, "infos", result->infos);
    vd_json_u64(&json, "leaks", result->leaks);
    vd_json_u64(&json, "faults", result->faults);
    vd_json_u64(&json, "repaired", result->repaired);
    vd_json_u64(&json, "leakedBytes", result->leaked_bytes);
    vd_json_u64(&json, "allocatedGrains", result->allocated_grains);
    vd_json_array(&json, "findings");
    for (size_t i = 0; i < findings->count; i++)
        json_finding(&json, &findings->items[i]);
    vd_json_end(&json, ']');
    vd_json_end(&json, '}');
    return vd_json_finish(&json, err);
}

static int check(const struct cli_args *args, struct findings *findings,
                 struct vd_check_result *result, struct vd_error *err)
{
    struct vd_source_options source = cli_source_options(args);
    struct vd_check_options options = {
        .open = source.vmdk,
        .repair = cli_given(args, OPT_REPAIR),
        .salvage = cli_given(args, OPT_SALVAGE),
        .finding = keep,
        .data = findings,
    };
    struct cli_progress line;
    int r;

    if (source.format == VD_SOURCE_RAW)
        return vd_error_set(err, VD_E_NOT_SUPPORTED,
                            "a raw image has no structure that could be checked");
    if (options.repair)
        options.open.flags &= ~(unsigned)VD_VMDK_READ_ONLY;
    cli_interrupt_catch();
    cli_progress_init(&line, cli_given(args, OPT_PROGRESS));
    options.progress = &line.progress;
    r = vd_vmdk_check(args->operands[0], &options, result, err);
    cli_progress_done(&line);
    if (r == VD_OK && findings->out_of_memory)
        r = vd_error_set(err, VD_E_NO_MEMORY, "no memory for what was found in '%s'",
                         args->operands[0]);
    return r;
}

enum cli_exit cmd_check(const struct cli_args *args)
{
    VD_CLEANUP(findings_done) struct findings findings = {0};
    struct vd_check_result result;
    struct vd_error err = VD_ERROR_INIT;
    int r = check(args, &findings, &result, &err);

    if (r == VD_OK && cli_given(args, OPT_JSON))
        r = print_json(args->operands[0], &findings, &result, &err);
    else if (r == VD_OK)
        print_text(args->operands[0], &findings, &result);
    if (r < 0)
        return cli_fail(&err, r);
    return result.clean ? CLI_DONE : CLI_NEGATIVE;
}
