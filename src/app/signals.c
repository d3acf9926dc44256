#include "src/app/signals.h"

#include <signal.h>
#include <stdatomic.h>
#include <string.h>

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "a handler may not wait");

static atomic_int asked; /* lock-free, for the handler; threads of a crew read it too */

static void note(int number)
{
    (void)number;
    atomic_store(&asked, 1);
}

void nl_signals_watch(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = note;
    action.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool nl_interrupted(void)
{
    return atomic_load(&asked) != 0;
}
