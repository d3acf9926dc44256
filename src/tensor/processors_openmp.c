#include "src/tensor/backend.h"

#include <omp.h>

/* With OMP_PROC_BIND the runtime has bound the first thread to one processor before main; it still
 * knows how many there were. */
int nl_processors(void)
{
    return omp_get_num_procs();
}
