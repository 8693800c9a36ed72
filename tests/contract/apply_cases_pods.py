"""Writes to pods and Deployments: keyed lists, defaults, structs, quantities, scale and status."""

from tests.contract.apply_writes import Case, Write, app, apply, create, deployment, merge, pod

CASES = [
    Case(
        "pod-create", "PodTemplate", [create("c", pod(app(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "1"}])))]
    ),
    Case(
        "pod-apply",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(
                    app(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "1"}]),
                    volumes=[{"name": "v", "emptyDir": {}}],
                ),
            )
        ],
    ),
    Case(
        "pod-apply-twice",
        "PodTemplate",
        [apply("m1", pod(app(ports=[{"containerPort": 80}]))), apply("m1", pod(app(ports=[{"containerPort": 80}])))],
    ),
    Case(
        "container-added-by-other",
        "PodTemplate",
        [apply("m1", pod(app())), apply("m2", pod({"name": "side", "image": "s:1"})), apply("m1", pod(app(image="app:2")))],
    ),
    Case(
        "containers-order",
        "PodTemplate",
        [
            apply("m1", pod({"name": "a", "image": "a"}, {"name": "c", "image": "c"})),
            apply("m2", pod({"name": "b", "image": "b"}, {"name": "a"})),
            apply("m1", pod({"name": "c", "image": "c"}, {"name": "a", "image": "a"})),
        ],
    ),
    Case("container-dropped", "PodTemplate", [apply("m1", pod(app(), {"name": "b", "image": "b"})), apply("m1", pod(app()))]),
    Case(
        "container-dropped-but-patched",
        "PodTemplate",
        [
            apply("m1", pod(app(), {"name": "b", "image": "b"})),
            merge("upd", {"template": {"spec": {"containers": [app(), {"name": "b", "image": "b:2"}]}}}),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "container-dropped-but-shared",
        "PodTemplate",
        [
            apply("m1", pod(app(), {"name": "b", "image": "b"})),
            apply("m2", pod({"name": "b", "image": "b"})),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "image-changed-by-update",
        "PodTemplate",
        [
            apply("m1", pod(app())),
            Write("strategic", "set", pod(app(image="app:2"))),
            apply("m1", pod(app())),
            apply("m1", pod(app()), force=True),
        ],
    ),
    Case(
        "env-removed-by-update",
        "PodTemplate",
        [
            apply("m1", pod(app(env=[{"name": "A", "value": "1"}, {"name": "B", "value": "1"}]))),
            Write("strategic", "edit", pod({"name": "app", "env": [{"name": "A", "$patch": "delete"}]})),
        ],
    ),
    Case(
        "env-added-by-update",
        "PodTemplate",
        [
            apply("m1", pod(app(env=[{"name": "A", "value": "1"}]))),
            Write("strategic", "edit", pod({"name": "app", "env": [{"name": "B", "value": "2"}]})),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "env-duplicate", "PodTemplate", [apply("m1", pod(app(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}])))]
    ),
    Case(
        "env-duplicate-by-update",
        "PodTemplate",
        [
            create("c", pod(app(env=[{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]))),
            apply("m1", pod(app(env=[{"name": "B", "value": "1"}]))),
            apply("m1", pod(app(env=[{"name": "A", "value": "1"}])), force=True),
        ],
    ),
    Case("env-without-name", "PodTemplate", [apply("m1", pod(app(env=[{"value": "1"}])))]),
    Case(
        "ports-two-protocols",
        "PodTemplate",
        [
            apply("m1", pod(app(ports=[{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]))),
            apply("m1", pod(app(ports=[{"containerPort": 80, "protocol": "UDP", "name": "u"}]))),
        ],
    ),
    Case(
        "ports-protocol-stated-later",
        "PodTemplate",
        [
            apply("m1", pod(app(ports=[{"containerPort": 80}]))),
            apply("m2", pod(app(ports=[{"containerPort": 80, "protocol": "TCP"}]))),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "quantities",
        "PodTemplate",
        [
            apply("m1", pod(app(resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}}))),
            apply("m1", pod(app(resources={"limits": {"cpu": "0.5", "memory": "1024Mi"}}))),
            apply("m2", pod({"name": "app", "resources": {"limits": {"cpu": "500m"}}})),
        ],
    ),
    Case("quantity-numbers", "PodTemplate", [apply("m1", pod(app(resources={"limits": {"cpu": 2}})))]),
    Case(
        "args-are-atomic",
        "PodTemplate",
        [
            apply("m1", pod(app(args=["a", "b"]))),
            merge("upd", {"template": {"spec": {"containers": [app(args=["a"])]}}}),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "default-shared",
        "PodTemplate",
        [apply("m1", pod(app())), apply("m2", pod(app(imagePullPolicy="IfNotPresent"))), apply("m2", pod({"name": "app"}))],
    ),
    Case(
        "node-selector-is-atomic",
        "PodTemplate",
        [apply("m1", pod(app(), nodeSelector={"a": "1"})), apply("m2", {"template": {"spec": {"nodeSelector": {"b": "1"}}}})],
    ),
    Case(
        "structs-given-up",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(app(securityContext={"runAsUser": 1, "capabilities": {"add": ["X"]}}, resources={"limits": {"cpu": "1"}})),
            ),
            apply("m1", pod(app())),
        ],
    ),
    Case(
        "empty-structs",
        "PodTemplate",
        [
            apply(
                "m1", pod(app(resources={}, securityContext={}), securityContext={}, volumes=[{"name": "v", "emptyDir": {}}])
            ),
            apply("m2", pod({"name": "app", "resources": {"limits": {"cpu": "1"}}})),
        ],
    ),
    Case(
        "volumes-by-type",
        "PodTemplate",
        [
            apply("m1", pod(app(), volumes=[{"name": "v", "emptyDir": {}}])),
            apply("m1", pod(app(), volumes=[{"name": "v", "configMap": {"name": "c"}}])),
        ],
    ),
    Case(
        "volume-mounts",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(
                    app(volumeMounts=[{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/b"}]),
                    volumes=[{"name": "v", "emptyDir": {}}],
                ),
            ),
            apply("m2", pod({"name": "app", "volumeMounts": [{"name": "v", "mountPath": "/c"}]})),
        ],
    ),
    Case(
        "tolerations-and-spread",
        "PodTemplate",
        [
            apply(
                "m1",
                pod(
                    app(),
                    tolerations=[{"key": "a", "operator": "Exists"}],
                    topologySpreadConstraints=[{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
                ),
            )
        ],
    ),
    Case(
        "probe-handler-changes",
        "PodTemplate",
        [
            apply("m1", pod(app(readinessProbe={"httpGet": {"path": "/", "port": 80}}))),
            apply("m1", pod(app(readinessProbe={"tcpSocket": {"port": "http"}}))),
        ],
    ),
    Case("unknown-nested", "PodTemplate", [apply("m1", pod(app(imagee="x")))]),
    Case("wrong-type-number", "PodTemplate", [apply("m1", pod(app(), terminationGracePeriodSeconds="5"))]),
    Case("wrong-type-list", "PodTemplate", [apply("m1", {"template": {"spec": {"containers": {"name": "a"}}}})]),
    Case("replicas-given-up", "Deployment", [apply("m1", deployment(replicas=3)), apply("m1", deployment())]),
    Case(
        "replicas-handed-over",
        "Deployment",
        [
            apply("m1", deployment(replicas=3)),
            merge("hpa", {"spec": {"replicas": 5}}, subresource="scale"),
            apply("m1", deployment()),
            apply("m1", deployment(replicas=5)),
        ],
    ),
    Case(
        "replicas-shared-then-given-up",
        "Deployment",
        [apply("m1", deployment(replicas=3)), apply("m2", {"spec": {"replicas": 3}}), apply("m1", deployment())],
    ),
    Case(
        "deployment-created",
        "Deployment",
        [
            create("c", deployment(replicas=2, strategy={"rollingUpdate": {"maxSurge": 1}})),
            merge("u", {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}),
        ],
    ),
    Case(
        "strategy",
        "Deployment",
        [
            apply("m1", deployment(strategy={"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "10%"}})),
            apply("m1", deployment(strategy={"type": "RollingUpdate"})),
            apply("m2", {"spec": {"strategy": {"rollingUpdate": {"maxSurge": "50%"}}}}),
        ],
    ),
    Case(
        "selector-is-atomic",
        "Deployment",
        [apply("m1", deployment()), apply("m2", {"spec": {"selector": {"matchLabels": {"app": "x"}}}})],
    ),
    Case("status-ignored-by-main", "Deployment", [apply("m1", {**deployment(), "status": {"replicas": 9}})]),
    Case(
        "ingress",
        "Ingress",
        [
            apply(
                "m1",
                {
                    "spec": {
                        "rules": [
                            {
                                "host": "a",
                                "http": {
                                    "paths": [
                                        {
                                            "path": "/",
                                            "pathType": "Prefix",
                                            "backend": {"service": {"name": "s", "port": {"number": 80}}},
                                        }
                                    ]
                                },
                            }
                        ],
                        "tls": [{"hosts": ["a"]}],
                    }
                },
            ),
            apply("m2", {"metadata": {"annotations": {"x": "1"}}}),
        ],
    ),
]
