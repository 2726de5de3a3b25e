/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a host's memory this process asks for. A host gives all its NFC sessions together 48
 * MB (vSphere 6 and later, Broadcom's guide); sessions beyond get "NFC error 5". So the first disks
 * get large buffers, and more disks at a time smaller ones, down to what hosts give by default.
 */
#ifndef VD_NFC_BUDGET_H
#define VD_NFC_BUDGET_H

#include <stdint.h>

#define VD_NFC_BUDGET_BYTES (32u << 20) /* per host; leaves something to other programs */
#define VD_NFC_WANTED_BYTES (1u << 20)  /* of a buffer; Broadcom's advice for speed */
#define VD_NFC_WANTED_COUNT 4u
#define VD_NFC_LEAST_BYTES  65536u /* the default of hosts */

/* The buffer size for a session of VD_NFC_WANTED_COUNT buffers. Thread-safe. */
uint32_t vd_nfc_budget_take(const char *host);
void vd_nfc_budget_give_back(const char *host, uint32_t buffer_bytes);

#endif
