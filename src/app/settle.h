/* settle.h - what libraries read from the environment before main. */
#ifndef NL_SETTLE_H
#define NL_SETTLE_H

/* Starts the program once more where a library would not do its best with the environment as it is,
 * unless that binds threads to processors:
 *
 * - OpenMP's threads spin only shortly before they sleep, unless the environment says otherwise:
 *   while one spins, the decoder cannot run.
 * - OpenBLAS takes kernels of this processor's instructions where it does not know the processor,
 *   unless OPENBLAS_CORETYPE is set.
 * - OpenBLAS starts no threads of its own, unless OPENBLAS_NUM_THREADS is set: they have nothing to
 *   do, and under `ulimit -v` they never cease to ask for their buffers.
 *
 * Where that fails, the program goes on as it is. */
void nl_settle(char *const *argv);

#endif
