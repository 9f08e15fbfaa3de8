# it's a comment, and so is a backslash at its end \
year=2020            # the sensor's year
sizes=(1             # type: int[] in "feet
       2)
name=abc             # type: string it's
place='x'
