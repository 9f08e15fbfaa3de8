import os

from setuptools import Extension, setup

assert os.getuid() == 1000, 'code of the repository runs as the user'
assert not any('wheels' in path for path in os.listdir('/var/tmp')), 'and sees no cache of others'
setup(ext_modules=[Extension('fast', ['fast.c'])])
