"""BatchNorm whose statistics cover the batches of all processes, on every device.

`torch.nn.SyncBatchNorm` refuses main memory. This one needs nothing but `all_reduce`, so that what tests run with gloo is what GPUs run with NCCL.
"""

import torch
import torch.distributed as dist
from torch import nn


class _Normalise(torch.autograd.Function):
    """`(x - mean) / sqrt(var + eps) * weight + bias` over `[N, C, ...]` of all processes, which have equally many values."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        wide = x.float()
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [-1 if axis == 1 else 1 for axis in range(x.ndim)]
        processes = dist.get_world_size()
        mean = wide.mean(axes)
        dist.all_reduce(mean)
        mean /= processes
        centred = wide - mean.view(shape)
        # From deviations, not from squares: the mean may be far larger than they are.
        var = centred.square().mean(axes)
        dist.all_reduce(var)
        var /= processes
        scale = (var + eps).rsqrt()
        ctx.save_for_backward(x, weight, mean, scale)
        ctx.axes, ctx.shape = axes, shape
        ctx.mark_non_differentiable(mean, var)
        y = centred * (scale * weight).view(shape) + bias.view(shape)
        return y.to(x.dtype), mean, var

    @staticmethod
    def backward(ctx, grad, _mean, _var):
        x, weight, mean, scale = ctx.saved_tensors
        axes, shape = ctx.axes, ctx.shape
        grad = grad.float()
        normed = (x.float() - mean.view(shape)) * scale.view(shape)
        # Gradients of weight and bias stay this process's own: whoever averages gradients adds them up.
        own = torch.stack([grad.sum(axes), (grad * normed).sum(axes)])
        means = own.clone()
        dist.all_reduce(means)
        means /= grad.numel() // grad.shape[1] * dist.get_world_size()
        grad_x = (grad - means[0].view(shape) - normed * means[1].view(shape)) * (scale * weight).view(shape)
        return grad_x.to(x.dtype), own[1], own[0], None


class SyncBatchNorm(nn.modules.batchnorm._BatchNorm):
    """BatchNorm over the batches of all processes while training; plain BatchNorm in evaluation."""

    def _check_input_dim(self, x):
        pass

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        y, mean, var = _Normalise.apply(x, self.weight, self.bias, self.eps)
        with torch.no_grad():
            count = x.numel() // x.shape[1] * dist.get_world_size()
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(var * (count / max(count - 1, 1)), self.momentum)
        return y


def synchronise(module: nn.Module) -> nn.Module:
    """`module` with every BatchNorm replaced; names, weights and statistics stay."""
    for name, child in module.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            norm = SyncBatchNorm(child.num_features, child.eps, child.momentum)
            norm.load_state_dict(child.state_dict())
            norm.to(child.weight.device)
            setattr(module, name, norm)
        else:
            synchronise(child)
    return module
