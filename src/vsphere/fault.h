/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says when it does not do what it was asked, and what a person can do about it. */
#ifndef VD_VSPHERE_FAULT_H
#define VD_VSPHERE_FAULT_H

#include "vsphere/xml.h"

/* Text from the server, cut to fit, control characters made blanks. "" where it said nothing. */
struct vd_fault {
    char type[80];        /* "NoPermission"; "" : no fault */
    char message[400];    /* the server's own words, in its language */
    char privilege[128];  /* that is missing */
    char object_type[64]; /* which the fault names */
    char object[192];
    char detail[256]; /* the file, source, name, reason the fault is about */
    char cause[80];   /* the type of the fault behind it */
};

/* From soapenv:Fault. */
void vd_fault_from_reply(const xmlNode *fault, struct vd_fault *ret);
/* From a LocalizedMethodFault: what tasks and results carry. */
void vd_fault_from_localized(const xmlNode *error, struct vd_fault *ret);
/* A server's words, cut to fit, control characters made blanks; NULL gives "". */
void vd_fault_clean(const char *text, char *ret, size_t size);
bool vd_fault_is(const struct vd_fault *fault, const char *type);
/* Sets the error that belongs to the fault: "<what>: <what the fault means>". */
int vd_fault_tell(const struct vd_fault *fault, const char *what, struct vd_error *err);

#endif
