/* The table of the agent's flags, and what each takes. Read by flags.c alone. */
#ifndef POD_IDENTITY_AGENT_FLAGS_TABLE_H
#define POD_IDENTITY_AGENT_FLAGS_TABLE_H

#include "agent/settings.h"
#include "common/base/options.h"

#define FLAGS_REAL_GROUP "Of the EKS Pod Identity Agent"

/* Ends with a row whose name is NULL. The place of a repeatable one is the whole of the settings. */
extern const struct option_spec flags_table[];

/* The letter of a flag that has one, else '\0'; and the row of a letter, or NULL. */
char flags_letter(const struct option_spec *spec);
const struct option_spec *flags_of_letter(char letter);

/* What the settings are with no flag at all; out is zero. */
void flags_defaults(struct settings *out);
/* What several settings together cannot be. False with one line. */
bool flags_judge(struct settings *settings, struct buf *problem);

#endif
