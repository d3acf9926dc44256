/* nonlocal.h - what programs and plug-ins may use of libnonlocal, in one include.
 *
 * Installed with the headers that it includes, below INCLUDEDIR/nonlocal with their paths, so that
 * a plug-in reads the same there as in the tree. `pkg-config --cflags nonlocal` finds them.
 */
#ifndef NONLOCAL_H
#define NONLOCAL_H

#include "blocks/block.h"
#include "blocks/parts.h"
#include "models/model.h"
#include "src/app/plugin.h"
#include "src/core/config.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/status.h"
#include "src/graph/graph.h"
#include "src/graph/layers.h"
#include "src/tensor/backend.h"
#include "src/tensor/ops.h"
#include "src/tensor/params.h"
#include "src/tensor/tensor.h"

#endif
