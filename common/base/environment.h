/* The environment of the process, for those that are handed a function to look variables up. */
#ifndef POD_IDENTITY_BASE_ENVIRONMENT_H
#define POD_IDENTITY_BASE_ENVIRONMENT_H

/* getenv() with the constness that injection.h asks for. */
const char *environment(const char *name);

#endif
