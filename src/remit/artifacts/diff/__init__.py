"""The semantic difference of two artifacts: what changed, in the words of each kind of file. Pure.

``compare`` pairs the files of two trees and asks comparers, one file each in ``comparers``. What
none of them could read to the end is reported as not looked into, never as equal.
"""
