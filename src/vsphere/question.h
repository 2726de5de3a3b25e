/* SPDX-License-Identifier: Apache-2.0 */
/* What a VM waits to be answered (runtime.question) before it goes on. For this floor. */
#ifndef VD_VSPHERE_QUESTION_H
#define VD_VSPHERE_QUESTION_H

#include "vsphere/vsphere.h"
#include "vsphere/xml.h"

#define VD_QUESTION_BYTES 600u

/* "'text' (possible answers: 'Yes', 'No')", cut to fit; "" where there is no question. */
void vd_question_decode(const xmlNode *question, char ret[VD_QUESTION_BYTES]);
/* What the VM waits for now. */
VD_MUST_CHECK int vd_question_ask(struct vd_vsphere *session, const char *vm_moid,
                                  char ret[VD_QUESTION_BYTES]);

#endif
