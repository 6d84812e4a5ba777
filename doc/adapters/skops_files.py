"""Files of skops whose types are known, and no others."""

import skops.io as sio


def load(file, known):
    untrusted = set(sio.get_untrusted_types(file=file))
    if untrusted - set(known):
        raise ValueError(f"{file} asks for {sorted(untrusted - set(known))}, which are not known.")
    return sio.load(file, trusted=sorted(untrusted))
