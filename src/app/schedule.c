#include "src/app/schedule.h"

#include <math.h>

static double scheduled(const struct nl_config *config, int64_t step, int64_t total)
{
    const double pi = 3.14159265358979323846;
    double rate = config->train.learning_rate;
    int64_t boundary = 0;
    if (config->train.schedule == NL_SCHEDULE_COSINE)
        return rate * 0.5 * (1 + cos(pi * (double)step / (double)(total > 0 ? total : 1)));
    for (int i = 0; i < config->train.n_steps; i++) {
        boundary += config->train.step_sizes[i];
        if (step >= boundary) rate *= config->train.learning_rate_decay;
    }
    return rate;
}

double nl_learning_rate(const struct nl_config *config, int64_t step, int64_t total)
{
    const int64_t warm = config->train.warmup_steps;
    if (step >= warm) return scheduled(config, step, total);
    const double first = config->train.warmup_rate, last = scheduled(config, warm, total);
    return first + (last - first) * (double)step / (double)warm;
}

void nl_schedule_scale(struct nl_config *config, int from, int to)
{
    const double factor = (double)to / from;
    config->train.learning_rate *= factor;
    for (int i = 0; i < config->train.n_steps; i++) {
        const double steps = round((double)config->train.step_sizes[i] / factor);
        config->train.step_sizes[i] = steps < 1 ? 1 : (int64_t)steps;
    }
}
