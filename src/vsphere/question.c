/* SPDX-License-Identifier: Apache-2.0 */
#include "vsphere/question.h"

#include <stdio.h>
#include <string.h>

#include "vsphere/fault.h"
#include "vsphere/props.h"

#define MAX_CHOICES 16u

struct text {
    char *end;
    size_t room;
};

/* What does not fit is left out as a whole. */
static void append(struct text *text, const char *before, const char *words, const char *after)
{
    char clean[400];
    vd_fault_clean(words, clean, sizeof clean);
    int n = snprintf(text->end, text->room, "%s%s%s", before, clean, after);
    if (n < 0 || (size_t)n >= text->room) {
        *text->end = '\0';
        return;
    }
    text->end += n;
    text->room -= (size_t)n;
}

void vd_question_decode(const xmlNode *question, char ret[VD_QUESTION_BYTES])
{
    struct text text = {ret, VD_QUESTION_BYTES};
    const char *words = vd_xml_child_text(question, "text");
    const xmlNode *choice = vd_xml_at(question, "choice/choiceInfo");
    ret[0] = '\0';
    if (!words)
        return;
    append(&text, "'", words, "'");
    for (size_t i = 0; choice && i < MAX_CHOICES; i++, choice = vd_xml_next(choice)) {
        const char *label = vd_xml_child_text(choice, "label");
        append(&text, i ? ", '" : " (possible answers: '", label ? label : "?", "'");
        if (i + 1 == MAX_CHOICES || !vd_xml_next(choice))
            append(&text, ")", "", "");
    }
}

static int take(void *data, const xmlNode *object)
{
    vd_question_decode(vd_props_get(object, "runtime.question"), data);
    return VD_OK;
}

int vd_question_ask(struct vd_vsphere *session, const char *vm_moid, char ret[VD_QUESTION_BYTES])
{
    static const char *const paths[] = {"runtime.question"};
    VD_CLEANUP(vd_soap_call_done) struct vd_soap_call call = VD_SOAP_CALL_INIT;
    ret[0] = '\0';
    vd_props_begin(session, &call);
    vd_props_set(&call, "VirtualMachine", paths, VD_ARRAY_SIZE(paths));
    vd_props_object(&call, "VirtualMachine", vm_moid);
    vd_props_object_end(&call);
    vd_soap_what(&call, "asking whether the VM '%s' waits for an answer", vm_moid);
    return vd_props_run(session, &call, take, ret, NULL);
}
