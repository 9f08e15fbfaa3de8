$a = 1 + 2
$b = "costs $a"
$c = Get-Date
$d = 1, 2
$e = 1
if ($a -eq 3) {
  $e += 2
}
Import-Module X
function f { $a = 5 }
[datetime]$g = '2020-01-01'
