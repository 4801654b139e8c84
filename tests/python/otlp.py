"""The series of OTLP metrics messages, by opentelemetry-proto's own Python package."""

from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics


def attribute(value):
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [attribute(element) for element in value.array_value.values]
    return getattr(value, kind) if kind else None


def points(metric):
    kind = metric.WhichOneof("data")
    for point in getattr(metric, kind).data_points:
        labels = {pair.key: attribute(pair.value) for pair in point.attributes}
        if point.flags & 1:  # no recorded value: the series has ended
            value = None
        elif kind in ("sum", "gauge"):
            value = getattr(point, point.WhichOneof("value"))
        else:
            value = {"count": point.count, "sum": point.sum}
        yield labels, value


def values(payload):
    """One row a series: scope, metric, labels and value."""
    decoded = ResourceMetrics.FromString(payload)
    rows = []
    for scope in decoded.scope_metrics:
        for metric in scope.metrics:
            for labels, value in points(metric):
                rows.append({"scope": scope.scope.name, "name": metric.name, "labels": labels, "value": value})
    return rows
