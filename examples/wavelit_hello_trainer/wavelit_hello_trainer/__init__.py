"""WaveLiT in hello_trainer. Nothing happens here: entry points name the modules beside this one."""
