/* The associations of all sources, as one table that is replaced whole. For associations.c and the readers of
 * sources; others use associations.h. */
#ifndef POD_IDENTITY_AGENT_ASSOCIATION_TABLE_H
#define POD_IDENTITY_AGENT_ASSOCIATION_TABLE_H

#include <stddef.h>

#include "agent/association.h"

/* names: of the sources, for the log; borrowed. Forgets all that was there. */
void table_open(const struct associations_rules *rules, const char *const *names);

/* The source is read anew: begin, each of its keys, and end. Without the end nothing changes. A key that is
 * not put is gone. What is wrong with one is logged once, until it is wrong in another way. */
void table_begin(size_t source);
void table_put(const char *key, size_t key_len, const char *value, size_t value_len);
/* A key whose value cannot even be read, as "its file cannot be read: Permission denied". */
void table_put_unreadable(const char *key, size_t key_len, const char *why);
/* True if anything is another than before. */
bool table_end(void);

bool table_find(const char *key, struct association *out, bool *usable);
void table_count(size_t *usable, size_t *unusable);

#endif
