/* waiting.h - how compute threads wait for each other. */
#ifndef NL_WAITING_H
#define NL_WAITING_H

/* Lets OpenMP's threads spin only shortly before they sleep, unless the environment says
 * otherwise, or binds threads to processors: while one spins, the decoder cannot run. libgomp reads its environment before main,
 * so the program starts itself once more; where that fails, threads wait as they like. */
void nl_wait_shortly(char *const *argv);

#endif
