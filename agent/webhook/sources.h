/* What the injections are made of, as it lies in files: the template, and the associations. One set for the
 * process. */
#ifndef POD_IDENTITY_AGENT_WEBHOOK_SOURCES_H
#define POD_IDENTITY_AGENT_WEBHOOK_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "agent/webhook/admission.h"
#include "agent/webhook/settings.h"

#define SOURCES_PROBLEM_MAX 5120 /* a path, and what is wrong with what is there */

/* settings are borrowed. */
void sources_open(const struct webhook_settings *settings);

/* Reads the template's file; it counts from now on. False, with problem ("--template=FILE: line 3: …"): what
 * was read before counts on. *changed: it is another than before. */
bool sources_read_template(bool *changed, struct buf *problem);
/* Likewise all folders of associations. What is wrong with single keys is logged. */
bool sources_read_associations(bool *changed, struct buf *problem);
void sources_count(size_t *usable, size_t *unusable);

/* The engine's rules, by the settings and what was read. */
const struct admission_rules *sources_rules(void);

#endif
