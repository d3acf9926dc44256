#include "src/core/rng.h"

#include <math.h>
#include <string.h>

void nl_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4], k[2] = {key[0], key[1]};
    memcpy(c, counter, sizeof c);
    for (int round = 0; round < 10; round++) {
        const uint64_t p = (uint64_t)0xD2511F53u * c[0], q = (uint64_t)0xCD9E8D57u * c[2];
        const uint32_t next[4] = {(uint32_t)(q >> 32) ^ c[1] ^ k[0], (uint32_t)q,
                                  (uint32_t)(p >> 32) ^ c[3] ^ k[1], (uint32_t)p};
        memcpy(c, next, sizeof c);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    memcpy(out, c, sizeof c);
}

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text; text++) h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    return h;
}

void nl_rng_seed(struct nl_rng *rng, uint64_t seed, const char *name)
{
    const uint64_t h = hash(name);
    *rng = (struct nl_rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                           .counter = {0, 0, (uint32_t)h, (uint32_t)(h >> 32)}};
}

uint32_t nl_rng_u32(struct nl_rng *rng)
{
    if (rng->left == 0) {
        nl_philox(rng->counter, rng->key, rng->block);
        if (++rng->counter[0] == 0) rng->counter[1]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

double nl_rng_double(struct nl_rng *rng)
{
    const uint64_t high = nl_rng_u32(rng), low = nl_rng_u32(rng);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double nl_rng_normal(struct nl_rng *rng)
{
    const double u = 1 - nl_rng_double(rng), v = nl_rng_double(rng);
    return sqrt(-2 * log(u)) * cos(6.283185307179586476925 * v);
}

static uint64_t u64(struct nl_rng *rng)
{
    const uint64_t high = nl_rng_u32(rng);
    return high << 32 | nl_rng_u32(rng);
}

int64_t nl_rng_range(struct nl_rng *rng, int64_t low, int64_t high)
{
    const uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    if (span == 0) return (int64_t)u64(rng); /* all of int64_t */
    const uint64_t reject = (UINT64_MAX - span + 1) % span;
    uint64_t draw = u64(rng);
    while (draw < reject) draw = u64(rng);
    return (int64_t)((uint64_t)low + draw % span);
}
