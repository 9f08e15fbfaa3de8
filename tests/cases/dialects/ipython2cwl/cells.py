# %%
import json

table: 'CWLFilePathInput' = 'table.csv'; count: 'CWLIntInput' = 3
greek = 'é'; words: 'List[CWLStringInput]' = ['a',
  'b']  # several words
print(open(table).read().strip(), count, words)
# %%
quiet: 'CWLBooleanInput' = False
limit: 'Optional[CWLIntInput]' = None
result: 'CWLFilePathOutput' = 'result.txt'
open(result, 'w').write(str(count))
print(quiet, limit)
# %%
text: 'CWLDumpableFile' = 'as text'
if count:
    raw: 'CWLDumpableBinaryFile' = b'as bytes'


class CWLDumpable:
    @classmethod
    def dump(cls, *words, **options):
        """As in ipython2cwl.iotypes, which is not installed here."""


class Table:
    def save(self, name, mode):
        open(name, mode).write('saved')


saved: CWLDumpable.dump(saved.save, "saved.txt", mode="w") = Table()
quoted: 'CWLFloatInput' = 1.5
