# Installs AIRoto's client on Windows: powershell -File install\install.ps1 --help
# The server needs Unix sockets; let AIROTO_SERVER name one on another machine. Never run where it was written.
# Windows PowerShell 5.1 takes what a program writes to its error stream for an error of the script, and `py -3.13`
# writes there where there is no 3.13: go on, codes of exit are looked at.
$ErrorActionPreference = 'Continue'
$script = Join-Path $PSScriptRoot 'install.py'
$candidates = @()
if ($env:AIROTO_PYTHON) {
    $candidates += , @($env:AIROTO_PYTHON)
} else {
    foreach ($version in '3.13', '3.12', '3.11', '3.10', '3.9') { $candidates += , @('py', "-$version") }
    $candidates += , @('python')
}
foreach ($candidate in $candidates) {
    $program = $candidate[0]
    $options = @($candidate | Select-Object -Skip 1)
    if (-not (Get-Command $program -ErrorAction SilentlyContinue)) { continue }
    & $program @options -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>$null
    if ($LASTEXITCODE -eq 0) {
        $arguments = @($args)
        $others = 'rollback', 'uninstall', 'versions', 'prune', 'bundle'
        $installs = $arguments.Count -eq 0 -or $arguments[0] -notin $others
        if ($installs -and '--client-only' -notin $arguments) { $arguments += '--client-only' }
        & $program @options -I $script @arguments
        exit $LASTEXITCODE
    }
}
[Console]::Error.WriteLine('install: Python 3.9 or newer is needed and was not found; set AIROTO_PYTHON to one that runs')
exit 6
