#pragma once
/// Everything that Lamina offers.
#include <lamina/applications.h>
#include <lamina/checkpoint_manager.h>
#include <lamina/device.h>
#include <lamina/devices.h>
#include <lamina/dtype.h>
#include <lamina/error.h>
#include <lamina/layer.h>
#include <lamina/layers.h>
#include <lamina/log.h>
#include <lamina/model.h>
#include <lamina/save_handle.h>
#include <lamina/shape.h>
#include <lamina/tensor.h>
#include <lamina/variable.h>
