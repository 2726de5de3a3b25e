/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VD_VIX_ERROR_TEXT_H
#define VD_VIX_ERROR_TEXT_H

#include "vix/export.h"

/* The English text of a code, without full stop; static. Codes nobody defined are "Unknown error".
 */
const char *vd_vix_error_text(VixError error);

#endif
