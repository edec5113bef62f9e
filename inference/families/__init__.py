"""How one kind of model is driven; which kind a folder holds, its own files say."""
