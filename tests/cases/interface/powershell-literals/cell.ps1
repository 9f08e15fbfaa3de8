# the scene
[int]$n = 3 # how many
$share = -0.5
$city = 'it''s "Lisbon" $x' # type: string
$two = "a`tb"
$flag = $true
$nothing = $null
[string[]]$names = @('a', "b c")
$options = @{ a = 1; 'b c' = @($false) }
$over = @{
  k = 'v'
  l = 2
}
<# $hidden = 1 #>
$picture = "image.png" # type: stage-out
