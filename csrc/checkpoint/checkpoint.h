#pragma once
// What the rest of Lamina asks of this folder first: to write a tree's variables, and to read them.
#include "checkpoint/load/load.h"
#include "checkpoint/save/begin_save.h"
#include "checkpoint/save/save.h"
