"""The entrypoints of images that are known without being told. POSIX shell; see `programs.py`.

Each writes the configuration that the image would have into the first folder that it may write, and starts the program in its own place.
What is mounted into the container at the places that the image documents is used instead.
"""

from __future__ import annotations

_MOUNTED = r"""
root=${CALLBOARD_ROOT:-}
mounted() {  # whether something of the pod's is mounted at a path, or below it
    if [ -n "$root" ]; then [ -e "$root$1" ]; return; fi
    while read -r _ _ _ _ at _; do
        case $at in "$1" | "$1"/*) return 0 ;; esac
    done </proc/self/mountinfo
    return 1
}
writable() {  # a folder of our own in the first place that can be written
    for place in "$root/run" "$root/var/cache" "$root/tmp"; do
        if mkdir -p "$place/$1" 2>/dev/null && [ -w "$place/$1" ]; then echo "$place/$1"; return; fi
    done
    echo "$1: neither $root/run, $root/var/cache nor $root/tmp can be written; mount an emptyDir at one of them" >&2
    exit 1
}
"""

NGINX = (
    _MOUNTED
    + r"""
set -eu
[ "${1:-}" = nginx ] || exec "$@"
shift
run=$(writable nginx)
out=/dev/stdout
if ! (: >>/dev/stdout) 2>/dev/null; then  # it was opened by another user
    out=$run/out
    rm -f "$out"
    mkfifo "$out"
    cat "$out" &
fi
if [ -z "$root" ] && [ -w /var/log/nginx ]; then
    ln -sf "$out" /var/log/nginx/access.log
    ln -sf /dev/stderr /var/log/nginx/error.log
fi
conf=$root/etc/nginx/nginx.conf
if [ -e "$conf" ] && { mounted /etc/nginx/nginx.conf || [ -n "$root" ]; }; then exec nginx -e stderr -c "$conf" "$@"; fi
user=
if [ "$(id -u)" = 0 ]; then
    user="user root root;"
    if [ -z "$root" ] && www=$(id -u www-data 2>/dev/null); then
        while read -r first _ count; do
            if [ "$www" -ge "$first" ] && [ "$www" -lt $((first + count)) ]; then user="user www-data;"; fi
        done </proc/self/uid_map
    fi
fi
listen=${NGINX_PORT:-80}
case ${POD_IP:-} in 127.*) listen=$POD_IP:$listen ;; esac
html=/usr/share/nginx/html
if [ -n "$root" ] && [ -d "$root$html" ]; then html=$root$html; fi
types=
if [ -e /etc/nginx/mime.types ]; then types="include /etc/nginx/mime.types;"; fi
if mounted /etc/nginx/conf.d; then
    servers="include $root/etc/nginx/conf.d/*.conf;"
else
    servers="server {
        listen $listen;
        server_name localhost;
        location / { root $html; index index.html index.htm; }
        error_page 500 502 503 504 /50x.html;
        location = /50x.html { root $html; }
    }"
fi
cat >"$run/nginx.conf" <<END
$user
worker_processes auto;
error_log stderr notice;
pid $run/nginx.pid;
events { worker_connections 1024; }
http {
    $types
    default_type application/octet-stream;
    log_format main '\$remote_addr - \$remote_user [\$time_local] "\$request" '
                    '\$status \$body_bytes_sent "\$http_referer" "\$http_user_agent" "\$http_x_forwarded_for"';
    access_log $out main;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path $run/body;
    proxy_temp_path $run/proxy;
    fastcgi_temp_path $run/fastcgi;
    uwsgi_temp_path $run/uwsgi;
    scgi_temp_path $run/scgi;
    $servers
}
END
exec nginx -e stderr -c "$run/nginx.conf" "$@"
"""
)

REDIS = r"""
set -eu
root=${CALLBOARD_ROOT:-}
case ${1:-} in -* | *.conf) set -- redis-server "$@" ;; esac
[ "${1:-}" = redis-server ] || exec "$@"
shift
conf=
case ${1:-} in
    "" | -*) ;;
    *)
        conf=$1
        shift
        if [ -n "$root" ] && [ -e "$root$conf" ]; then conf=$root$conf; fi
        ;;
esac
says() { [ -n "$conf" ] && grep -Eiq "^[[:space:]]*$1[[:space:]]" "$conf"; }
own=
case ${POD_IP:-} in 127.*) says bind || own="--bind $POD_IP" ;; esac
says protected-mode || own="$own --protected-mode no"
exec redis-server ${conf:+"$conf"} $own "$@"
"""

NODE = r"""
set -eu
case ${1:-} in -*) set -- node "$@" ;; esac
if ! command -v "$1" >/dev/null 2>&1 || { [ -f "$1" ] && [ ! -x "$1" ]; }; then set -- node "$@"; fi
exec "$@"
"""

HTTPD = (
    _MOUNTED
    + r"""
set -eu
[ "${1:-}" = httpd-foreground ] || exec "$@"
run=$(writable httpd)
conf=$root/usr/local/apache2/conf/httpd.conf
if [ -e "$conf" ]; then exec apache2 -DFOREGROUND -f "$conf"; fi
user=
if [ "$(id -u)" = 0 ] && www=$(id -u www-data 2>/dev/null); then
    while read -r first _ count; do
        if [ "$www" -ge "$first" ] && [ "$www" -lt $((first + count)) ]; then
            user="User www-data
Group www-data"
        fi
    done </proc/self/uid_map
fi
listen=80
case ${POD_IP:-} in 127.*) listen=$POD_IP:80 ;; esac
htdocs=$root/usr/local/apache2/htdocs
if [ ! -d "$htdocs" ]; then
    htdocs=$run/htdocs
    mkdir -p "$htdocs"
    echo '<html><body><h1>It works!</h1></body></html>' >"$htdocs/index.html"
fi
modules=/usr/lib/apache2/modules
{
    for name in mpm_event authz_core dir mime unixd log_config; do
        if [ -e "$modules/mod_$name.so" ]; then echo "LoadModule ${name}_module $modules/mod_$name.so"; fi
    done
    cat <<END
ServerName ${HOSTNAME:-localhost}
Listen $listen
PidFile $run/httpd.pid
DefaultRuntimeDir $run
$user
DocumentRoot "$htdocs"
DirectoryIndex index.html
ErrorLog /dev/stderr
LogFormat "%h %l %u %t \"%r\" %>s %b" common
CustomLog "|/bin/cat" common
<Directory "$htdocs">
    Require all granted
</Directory>
END
    if [ -e /etc/mime.types ]; then echo "TypesConfig /etc/mime.types"; fi
} >"$run/httpd.conf"
exec apache2 -DFOREGROUND -f "$run/httpd.conf"
"""
)
