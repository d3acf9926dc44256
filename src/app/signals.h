/* signals.h - Ctrl-C asks once and stops twice. */
#ifndef NL_SIGNALS_H
#define NL_SIGNALS_H

#include <stdbool.h>

/* From now on the first SIGINT or SIGTERM is only noted; a second one ends the program. */
void nl_signals_watch(void);
bool nl_interrupted(void);

#endif
