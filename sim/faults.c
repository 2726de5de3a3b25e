/* SPDX-License-Identifier: Apache-2.0 */
#include "faults.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[SIM_FAULT_COUNT] = {
    [SIM_LATENCY_MS] = "latency-ms",
    [SIM_BANDWIDTH] = "bandwidth",
    [SIM_DROP_AFTER] = "drop-after",
    [SIM_DROP_ONCE] = "drop-once",
    [SIM_ERROR_FRAME] = "error-frame",
    [SIM_REVERSE_FRAGMENTS] = "reverse-fragments",
    [SIM_INTERLEAVE] = "interleave",
    [SIM_ODD_FRAGMENTS] = "odd-fragments",
    [SIM_SKIPZ_RAW_LABEL] = "skipz-raw-label",
    [SIM_MEMORY_ERROR] = "memory-error",
    [SIM_LATE_36] = "late-36",
    [SIM_WRONG_SECOND] = "wrong-second-certificate",
    [SIM_RUNNING_REFUSED] = "running-leaf-refused",
    [SIM_STALL] = "stall",
    [SIM_BAD_MAGIC] = "bad-magic",
    [SIM_BAD_LENGTH] = "bad-length",
    [SIM_FRAGMENT_OUTSIDE] = "fragment-outside",
    [SIM_BAD_STATUS] = "bad-status",
    [SIM_REFUSE_TICKETS] = "refuse-tickets",
    [SIM_CHANGED_PAGE] = "changed-page",
    [SIM_DROP_ANSWER] = "drop-answer",
    [SIM_DROP_ANSWER_ONCE] = "drop-answer-once",
    [SIM_STALL_ONCE] = "stall-once",
    [SIM_BAD_ANSWER] = "bad-answer",
    [SIM_REFUSE_REQUEST] = "refuse-request",
    [SIM_REFUSE_MEMORY] = "refuse-memory",
    [SIM_AUTHD_DROP] = "authd-drop",
    [SIM_AUTHD_STALL] = "authd-stall",
    [SIM_AUTHD_REFUSE] = "authd-refuse",
    [SIM_AUTHD_ENDLESS] = "authd-endless",
};

/* The front's own. */
static const char *const soap_names[] = {
    "expired-session-after",
    "slow-task",
    "task-fails",
    "wrong-certificate",
    "page-size",
    "missing-privilege",
    "tracking-refused",
    "http-drop",
    "http-drop-once",
    "http-cut",
    "http-cut-once",
    "http-500",
    "http-500-once",
    "http-503",
    "http-503-once",
    "http-stall",
    "http-stall-once",
    "truncated-xml",
    "truncated-xml-once",
    "wrong-answer",
    "wrong-answer-once",
    "empty-answer",
    "empty-answer-once",
    "no-session",
    "no-session-once",
    "entity-bomb",
    "entity-bomb-once",
    "endless-xml",
    "endless-xml-once",
    "vm-question",
    "cut-files",
    "cut-exports",
    "slow-exports",
    "lease-fails",
    "lease-lost",
    "lease-seconds",
};

bool sim_faults_init(struct sim_faults *faults)
{
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++)
        atomic_init(&faults->values[i], SIM_FAULT_OFF);
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++)
        atomic_init(&faults->struck[i], 0);
    atomic_store(&faults->values[SIM_RUNNING_REFUSED], 1);
    pthread_mutex_init(&faults->lock, NULL);
    faults->soap = json_object();
    return faults->soap != NULL;
}

void sim_faults_done(struct sim_faults *faults)
{
    json_decref(faults->soap);
    pthread_mutex_destroy(&faults->lock);
}

static bool is_off(const json_t *value)
{
    return !value || json_is_null(value) || json_is_false(value);
}

static int set_soap(struct sim_faults *faults, const char *name, json_t *value)
{
    int r = 0;

    pthread_mutex_lock(&faults->lock);
    if (is_off(value))
        (void)json_object_del(faults->soap, name); /* it may have been off */
    else
        r = json_object_set(faults->soap, name, value);
    pthread_mutex_unlock(&faults->lock);
    return r == 0 ? VD_OK : VD_E_NO_MEMORY;
}

int sim_faults_set(struct sim_faults *faults, const char *name, json_t *value, struct vd_error *err)
{
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (strcmp(names[i], name) != 0)
            continue;
        if (!is_off(value) && !json_is_true(value) &&
            !(json_is_integer(value) && json_integer_value(value) >= 0))
            return vd_error_set(err, VD_E_INVALID_ARG,
                                "the fault '%s' takes a number from 0 on, or none", name);
        atomic_store(&faults->struck[i], 0);
        atomic_store(&faults->values[i], is_off(value)         ? SIM_FAULT_OFF
                                         : json_is_true(value) ? 1
                                                               : json_integer_value(value));
        return VD_OK;
    }
    for (size_t i = 0; i < VD_ARRAY_SIZE(soap_names); i++) {
        if (strcmp(soap_names[i], name) == 0)
            return set_soap(faults, name, value);
    }
    return vd_error_set(err, VD_E_INVALID_ARG, "there is no fault '%s'; --help lists them", name);
}

/* A number where the text is one, true where there is none, else the text. */
static json_t *value_of(const char *text)
{
    char *end = NULL;

    if (!text)
        return json_true();
    if (strcmp(text, "off") == 0)
        return json_false();
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (*text && !*end && errno == 0)
        return json_integer(number);
    return json_string(text);
}

int sim_faults_parse(struct sim_faults *faults, const char *text, struct vd_error *err)
{
    const char *equals = strchr(text, '=');
    VD_FREE char *name = equals ? strndup(text, (size_t)(equals - text)) : strdup(text);
    json_t *value = value_of(equals ? equals + 1 : NULL);
    int r = name && value ? sim_faults_set(faults, name, value, err) : VD_E_NO_MEMORY;

    json_decref(value);
    return r;
}

int64_t sim_fault(const struct sim_faults *faults, enum sim_fault fault)
{
    return atomic_load(&faults->values[fault]);
}

bool sim_fault_take(struct sim_faults *faults, enum sim_fault fault)
{
    int64_t left = atomic_load(&faults->values[fault]);

    while (left > 0) {
        if (atomic_compare_exchange_weak(&faults->values[fault], &left,
                                         left > 1 ? left - 1 : SIM_FAULT_OFF)) {
            sim_fault_strike(faults, fault);
            return true;
        }
    }
    return false;
}

void sim_fault_strike(struct sim_faults *faults, enum sim_fault fault)
{
    atomic_fetch_add(&faults->struck[fault], 1);
}

bool sim_fault_is_at(struct sim_faults *faults, enum sim_fault fault, uint64_t number)
{
    int64_t wanted = sim_fault(faults, fault);

    if (wanted <= 0 || (uint64_t)wanted != number)
        return false;
    sim_fault_strike(faults, fault);
    return true;
}

uint64_t sim_faults_struck(const struct sim_faults *faults, const char *name)
{
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (strcmp(names[i], name) == 0)
            return atomic_load(&faults->struck[i]);
    }
    return 0;
}

bool sim_fault_clear(struct sim_faults *faults, enum sim_fault fault)
{
    return atomic_exchange(&faults->values[fault], SIM_FAULT_OFF) != SIM_FAULT_OFF;
}

json_t *sim_faults_json(struct sim_faults *faults)
{
    pthread_mutex_lock(&faults->lock);
    json_t *all = json_copy(faults->soap);
    pthread_mutex_unlock(&faults->lock);
    for (size_t i = 0; all && i < SIM_FAULT_COUNT; i++) {
        int64_t value = atomic_load(&faults->values[i]);
        if (value != SIM_FAULT_OFF && json_object_set_new(all, names[i], json_integer(value)) < 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

void sim_faults_print(FILE *out)
{
    for (size_t i = 0; i < SIM_FAULT_COUNT; i++)
        (void)fprintf(out, "  %s\n", names[i]);
    for (size_t i = 0; i < VD_ARRAY_SIZE(soap_names); i++)
        (void)fprintf(out, "  %s\n", soap_names[i]);
}
