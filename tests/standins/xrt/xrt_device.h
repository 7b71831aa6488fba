#include "simulated.h"
