#include "blocks/block.h"

#include <stdio.h>
#include <string.h>

#define NL_BLOCK(id) extern const struct nl_block nl_block_##id;
#include "blocks/blocks.def"
#undef NL_BLOCK

const struct nl_block *const nl_blocks[] = {
#define NL_BLOCK(id) &nl_block_##id,
#include "blocks/blocks.def"
#undef NL_BLOCK
    NULL,
};

enum { ADDED_MAX = 16 };
static const struct nl_block *added[ADDED_MAX];
static int n_added;

const struct nl_block *nl_block_at(int i)
{
    const int built_in = (int)NL_COUNT(nl_blocks) - 1;
    if (i < built_in) return nl_blocks[i];
    return i - built_in < n_added ? added[i - built_in] : NULL;
}

static bool called(const struct nl_block *block, const char *name)
{
    return name &&
           (strcmp(block->name, name) == 0 || (block->alias && strcmp(block->alias, name) == 0));
}

static const struct nl_block *look_up(const char *name)
{
    const struct nl_block *block = NULL;
    for (int i = 0; (block = nl_block_at(i)); i++)
        if (called(block, name)) return block;
    return NULL;
}

nl_status nl_block_register(const struct nl_block *block)
{
    NL_REQUIRE(!look_up(block->name) && !look_up(block->alias), NL_EINVAL,
               "there is already a block variant %s", block->name);
    NL_REQUIRE(n_added < ADDED_MAX, NL_EINVAL, "more than %d block variants added", ADDED_MAX);
    added[n_added++] = block;
    return NL_OK;
}

nl_status nl_block_find(const char *name, const struct nl_block **out)
{
    char known[512] = "";
    size_t used = 0;
    const struct nl_block *block = NULL;
    if ((*out = look_up(name))) return NL_OK;
    for (int i = 0; (block = nl_block_at(i)) && used < sizeof known; i++)
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", block->name);
    return nl_fail(NL_EUSAGE, "NONLOCAL.pairwise: no variant \"%s\"; there are %s", name, known);
}

nl_status nl_block_append(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                          nl_value *z)
{
    const struct nl_block *block = NULL;
    NL_TRY(nl_block_find(site->options->pairwise, &block));
    return block->build(g, site, x, z);
}
